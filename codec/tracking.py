"""Weights & Biases beside the rows: wanted, never needed. Training doesn't wait for it or fail with it."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from codec.config import TrainConfig

START_SECONDS = 20
FINISH_SECONDS = 30


class Tracker:
    """Forwards rows to a wandb run, or does nothing where there is none."""

    def __init__(self, run: Any, say: Callable[[str], None]) -> None:
        self._run = run
        self._say = say

    def log(self, row: Mapping[str, Any]) -> None:
        """Send a row's numbers as `kind/name`, a list as `kind/name/0`, `kind/name/1`, …"""
        if self._run is None:
            return
        try:
            self._run.log(_flat(row), step=row["step"])
        except Exception as error:  # noqa: BLE001 - whatever a third party's client does, training goes on
            self._say(f"wandb stopped working ({_first_line(error)}); training goes on without it")
            self._run = None

    def finish(self) -> None:
        """Let wandb send what is left, for at most FINISH_SECONDS."""
        if self._run is None:
            return
        waiter = threading.Thread(target=self._run.finish, daemon=True)
        waiter.start()
        waiter.join(FINISH_SECONDS)
        if waiter.is_alive():
            self._say(f"wandb did not finish within {FINISH_SECONDS} s; its last rows may be missing there")


def start_tracking(config: TrainConfig, say: Callable[[str], None]) -> Tracker:
    """A tracker for the run; one that does nothing if wandb isn't asked for or can't start."""
    if not config.use_wandb or config.wandb_mode == "disabled":
        return Tracker(None, say)
    try:
        return Tracker(_start(config), say)
    except Exception as error:  # noqa: BLE001 - whatever a third party's client does, training goes on
        say(f"wandb could not start ({_first_line(error)}); training goes on without it")
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
        settings=wandb.Settings(init_timeout=START_SECONDS, console="off", silent=True),
    )


def _flat(row: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in row.items():
        items = enumerate(value) if isinstance(value, list) else ()
        flat |= {f"{row['kind']}/{name}/{index}": item for index, item in items}
        if isinstance(value, (int, float)) and name not in ("step", "time"):
            flat[f"{row['kind']}/{name}"] = value
    return flat


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
