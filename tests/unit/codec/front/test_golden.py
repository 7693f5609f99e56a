"""Streams that were written once decode to the same codes on every machine and with every build of numpy.

`python tests/unit/codec/front/test_golden.py` writes them again, after a change of the format or of the tables that is
meant: both are a new version for users.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec.front import block, channel, files, fronts, stream, tables

FOLDER = Path(__file__).with_name("golden")
ROOT = Path(__file__).parents[4]
GOALS = {"long": files.Goal(8.0), "short": files.Goal(24.0), "vector": files.Goal(16.0, quantizer="vector")}


def codes_of(name: str) -> str:
    """A hash of all integers in a stream."""
    path, settings = FOLDER / f"{name}.cjc", fronts.FRONTS[name].settings
    digest = hashlib.sha256()
    known = tables.from_arrays(tables.arrays_of(fronts.PATH, name))
    with path.open("rb") as file:
        header = stream.read_header(path, file)
        left = channel.groups_of(files.samples_of(header.rate, header.length), settings)
        for data in stream.read_blocks(path, file, -(-left // channel.GROUPS), salvage=False):
            coded = block.read(data or b"", min(left, channel.GROUPS), known)
            for values in (coded.bases, coded.levels, coded.codes):
                digest.update(values.astype("<i8").tobytes())
            left -= channel.GROUPS
    return digest.hexdigest()


def loudness(name: str) -> list[float]:
    """RMS of the decoded audio in each 50 ms, in dB: what a wrong code would change."""
    with tempfile.TemporaryDirectory() as folder:
        back = Path(folder, "a.wav")
        files.decode(FOLDER / f"{name}.cjc", back, ".wav", False, lambda _: None)
        audio, _ = soundfile.read(back)
    parts = audio[: len(audio) // 800 * 800].reshape(-1, 800)
    found: list[float] = (10 * np.log10(np.square(parts).mean(1) + 1e-9)).round(3).tolist()
    return found


def expected() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", GOALS)
def test_golden_streams_sound_as_they_did(name: str) -> None:
    assert loudness(name) == pytest.approx(expected()[name]["loudness"], abs=0.02)


def test_golden_codes_are_the_same_bit_by_bit() -> None:
    assert {name: codes_of(name) for name in ("long", "short")} == {
        name: expected()[name]["codes"] for name in ("long", "short")
    }


def test_golden_codes_are_the_same_where_denormals_are_flushed() -> None:
    torch.set_flush_denormal(True)
    try:
        assert codes_of("short") == expected()["short"]["codes"]
        assert loudness("vector") == pytest.approx(expected()["vector"]["loudness"], abs=0.02)
    finally:
        torch.set_flush_denormal(False)


def test_golden_codes_are_the_same_without_the_processor_s_vector_instructions() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    disabled = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
    script = "import test_golden; print(test_golden.codes_of('short'), test_golden.codes_of('long'))"
    paths = os.pathsep.join(map(str, (Path(__file__).parent, ROOT)))
    environment = os.environ | {"PYTHONPATH": paths, "NPY_DISABLE_CPU_FEATURES": disabled}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == [expected()[name]["codes"] for name in ("short", "long")]


def write() -> None:
    """Write the streams and what they are expected to be."""
    sys.path.insert(0, str(ROOT / "tests"))
    from front_audio import voice_like

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.wav")
        soundfile.write(source, voice_like(2.6), 16_000)
        for name, goal in GOALS.items():
            files.encode(source, FOLDER / f"{name}.cjc", goal, lambda _: None)
    facts = {name: {"loudness": loudness(name)} for name in GOALS}
    for name in ("long", "short"):
        facts[name]["codes"] = codes_of(name)  # type: ignore[assignment]
    (FOLDER / "expected.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
