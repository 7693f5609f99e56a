"""What somebody sees who follows a run: a real one on a terminal of 40 columns, and a pod that does not begin."""

import sys
from collections.abc import Callable
from typing import Any

from fakes.runpod.desk import Desk
from helpers import wait_until
from job.cli.boot_log import BootLog


def test_the_phases_of_a_run_on_a_narrow_terminal(desk: Any, terminal: Callable[..., tuple[int, str]]) -> None:
    desk.env.pop("NO_COLOR")
    command = [sys.executable, "-m", "job", "submit", desk.spec()]
    code, shown = terminal(desk.env, command)
    assert code == 0, shown
    for part in ("preflight", "6/6", "uploading", "starting the trainer", "100% step", "epoch 2/2", "billing off"):
        assert part in shown
    assert "SNR " in shown
    moving = [line for line in shown.splitlines() if "% step" in line or line[:2] in ("\\ ", "| ", "/ ", "- ")]
    assert moving
    assert max(len(line) for line in moving) <= 40


def test_what_the_provider_says_of_the_image_is_shown(runpod_desk: Desk) -> None:
    pod = runpod_desk.provider.launch(runpod_desk.request())
    entry = runpod_desk.account.pods[pod.id]
    entry.system = [(1.0, "pulling image ghcr.io/me/codecjob:1"), (2.0, "layer 3 of 9\x1b[2K"), (3.0, "")]
    entry.printed = [(1.0, "the container's own")]
    boot = BootLog(runpod_desk.provider)
    wait_until(lambda: boot.want(pod.id))
    assert boot.line == "layer 3 of 9[2K"
    assert boot.want("another") == ""
