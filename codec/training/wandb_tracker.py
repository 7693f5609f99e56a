"""Weights & Biases beside the rows: wanted, never needed. Training doesn't wait for it or fail with it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from codec.config import TrainConfig
from codec.errors import first_line

START_SECONDS = 20
FINISH_SECONDS = 30


class Tracker:
    """Forwards rows and samples to a wandb run, or does nothing where there is none."""

    def __init__(self, run: Any, say: Callable[[str], None]) -> None:
        self._run = run
        self._say = say

    def log(self, row: Mapping[str, Any], samples: Path | None = None) -> None:
        """Send a row's numbers as `kind/name`, a list as `kind/name/0`, `kind/name/1`, …

        With a folder of samples (`<k>-original.wav`, `<k>-decoded.wav`) also those, as audio: `samples/<k>-decoded`
        with every row, the original, which stays the same, with epoch 0 alone.
        """
        if self._run is None:
            return
        try:
            values = flat(row) | (_audio(samples, row["epoch"]) if samples else {})
            self._run.log(values, step=row["step"])
        except Exception as error:  # noqa: BLE001 - whatever a third party's client does, training goes on
            self._give_up(f"wandb stopped working ({first_line(error)}); training goes on without it")

    def finish(self) -> None:
        """Let wandb send what is left, for at most FINISH_SECONDS."""
        if self._run is None:
            return
        try:
            self._run.finish()
        except Exception as error:  # noqa: BLE001 - the training is done, whatever becomes of this
            self._give_up(f"wandb did not finish ({first_line(error)}); its last rows may be missing there")

    def _give_up(self, said: str) -> None:
        self._run = None
        self._say(said)


def start_tracking(config: TrainConfig, say: Callable[[str], None]) -> Tracker:
    """A tracker for the run; one that does nothing if wandb isn't asked for or can't start."""
    if not config.use_wandb or config.wandb_mode == "disabled":
        return Tracker(None, say)
    try:
        return Tracker(_start(config), say)
    except Exception as error:  # noqa: BLE001 - whatever a third party's client does, training goes on
        say(f"wandb could not start ({first_line(error)}); training goes on without it")
        return Tracker(None, say)


def _start(config: TrainConfig) -> Any:
    import wandb

    # Without a key, wandb would ask for one on a terminal and wait for the answer.
    if config.wandb_mode == "online" and not wandb.login(prompt=False, verify=False):
        raise ValueError("no API key: set WANDB_API_KEY, run `wandb login`, or use --wandb_mode offline")
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", "codecjob"),
        name=config.experiment_name,
        mode=cast("Literal['online', 'offline']", config.wandb_mode),
        dir=config.checkpoint_dir,
        config=config.as_dict(),
        settings=wandb.Settings(
            init_timeout=START_SECONDS,
            finish_timeout=FINISH_SECONDS,  # also of what runs at the process's end
            finish_timeout_raises=True,
            console="off",
            silent=True,
        ),
    )


def flat(row: Mapping[str, Any]) -> dict[str, float]:
    """A row's numbers by their names in wandb."""
    values: dict[str, float] = {}
    for name, value in row.items():
        items = enumerate(value) if isinstance(value, list) else ()
        values |= {f"{row['kind']}/{name}/{index}": item for index, item in items}
        if isinstance(value, (int, float)) and name not in ("step", "time"):
            values[f"{row['kind']}/{name}"] = value
    return values


def _audio(folder: Path, epoch: int) -> dict[str, Any]:
    import wandb

    paths = [path for path in sorted(folder.glob("*.wav")) if epoch == 0 or "decoded" in path.stem]
    return {f"samples/{path.stem}": wandb.Audio(str(path), caption=f"epoch {epoch}") for path in paths}
