"""The bench's command: python -m tests.bench.sync."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))  # for the launchers in tests/servers

from tests.bench.sync.measure import ROUNDS, Spent, measure  # noqa: E402
from tests.bench.sync.tools import tools  # noqa: E402

RATE = 16000
CLIP_SECONDS = 3.2  # 100 KB
_COLUMNS = (*ROUNDS, "decoding alone")
_HEAD = (
    f"| seconds (processor: tool + server; memory, MB) | {' | '.join(_COLUMNS)} |\n| --- |{' --- |' * len(_COLUMNS)}"
)


@click.command()
@click.option("--clips", default=2000, show_default=True, help="Clips of 100 KB.")
@click.option("--checkpoint", "megabytes", default=1024, show_default=True, help="MiB of the checkpoint.")
@click.option("--delay", "delays", multiple=True, type=int, default=(0, 20), show_default=True, help="Added ms.")
@click.option("--only", multiple=True, help="This tool alone; may be given again.")
@click.option("--peers", type=click.Path(path_type=Path), default=ROOT / ".venv" / "bench-sync", help="Their venv.")
def main(clips: int, megabytes: int, delays: tuple[int, ...], only: tuple[str, ...], peers: Path) -> None:
    """Bring clips and a checkpoint up and down with each tool, on a fresh radosgw each, and print the seconds."""
    with tempfile.TemporaryDirectory(prefix="codecjob-bench-") as name:
        folder = Path(name)
        _make_clips(folder / "clips", clips)
        _make_file(folder / "checkpoint.bin", megabytes)
        for delay in delays:
            click.echo(f"\n{delay} ms added, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n{_HEAD}")
            for tool in tools(peers.absolute()):
                if only and tool.name not in only:
                    continue
                try:
                    place = folder / "place"
                    spent = measure(tool, folder / "clips", folder / "checkpoint.bin", place, delay)
                    click.echo(_row(tool.name, spent))
                except subprocess.CalledProcessError as error:
                    click.echo(f"{tool.name} fails: {error}", err=True)


def _row(tool: str, spent: dict[str, Spent]) -> str:
    cells = [_cell(spent[name]) if name in spent else "" for name in _COLUMNS]
    return f"| {tool} | {' | '.join(cells)} |"


def _cell(spent: Spent) -> str:
    return f"{spent.seconds:.1f} ({spent.client:.1f} + {spent.server:.1f}; {spent.megabytes:.0f})"


def _make_clips(folder: Path, number: int) -> None:
    """Noise, each clip another."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(number):
        audio = random.integers(-8000, 8000, round(CLIP_SECONDS * RATE), dtype=np.int16)
        soundfile.write(folder / f"{index:05}.wav", audio, RATE)


def _make_file(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))


if __name__ == "__main__":
    main()
