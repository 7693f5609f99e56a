"""An hour through the shipped codec: peak memory, speed and the rate that was kept. python -m tests.bench.front_hour"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile

from codec.front import files

SECONDS = 3600
sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> None:
    """Print one line for encoding and one for decoding."""
    from front_audio import voice_like

    minute = (voice_like(60.0) * 32_000).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        source, coded, back = (Path(folder, name) for name in ("a.wav", "a.cjc", "b.wav"))
        with soundfile.SoundFile(source, "w", 16_000, 1) as file:
            for _ in range(SECONDS // 60):
                file.write(minute)
        before = _peak()
        started = time.process_time()
        summary = files.encode(source, coded, files.Goal(16.0), lambda _: None)
        _report("encode", started, before, f"{summary.kbps:.2f} kbit/s, {summary.bytes:,} bytes")
        started = time.process_time()
        files.decode(coded, back, ".wav", False, lambda _: None)
        _report("decode", started, before, f"{soundfile.info(back).frames:,} samples")


def _report(what: str, started: float, before: int, more: str) -> None:
    seconds = time.process_time() - started
    memory = (_peak() - before) / 1024
    click.echo(f"{what}: {SECONDS / seconds:.0f} times real time, {memory:.1f} MiB above the start, {more}")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB


if __name__ == "__main__":
    main()
