"""The README's first command as a newcomer runs it, after the installation: a good run and a bad one, for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_ends_with_a_good_run_and_a_bad_one_that_was_stopped(tmp_path: Path) -> None:
    # A copy, so that the pulled results don't land in the checkout.
    examples = shutil.copytree(ROOT / "examples", tmp_path / "examples")
    binaries = Path(sys.executable).parent
    env = {**os.environ, "CODECJOB_HOME": str(tmp_path / "home"), "PATH": f"{binaries}:{os.environ['PATH']}"}
    env.pop("CODECJOB_STORE", None)
    demo = subprocess.run(
        ["sh", str(examples / "demo.sh")], env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr

    def status(run: str) -> dict[str, object]:
        command = [str(binaries / "codecjob"), "status", run, "--json"]
        return dict(json.loads(subprocess.run(command, env=env, capture_output=True, check=True, timeout=120).stdout))

    good, bad = status("quickstart"), status("bad-run")
    assert (good["state"], good["billing"]) == ("succeeded", "off")
    assert good["verdict"]["verdict"] == "good"  # type: ignore[index]
    assert (bad["state"], bad["billing"]) == ("aborted", "off")
    assert bad["verdict"]["verdict"] == "bad"  # type: ignore[index]
    assert bad["epoch"] in (0, 1), "stopped at epoch 1 or before"
    decoded = list((tmp_path / "demo-output").glob("quickstart-*/samples/0002/*-decoded.wav"))
    assert len(decoded) == 2
    assert "What next:" in demo.stdout
