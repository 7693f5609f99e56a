"""Four cases of the verdict bench, trained anew."""

import subprocess
import sys

import pytest

from tests.bench.verdicts.cases import CASES
from tests.bench.verdicts.record import ROOT, record
from tests.bench.verdicts.replay import replay_rows
from tests.bench.verdicts.sabotage import FAULTS


@pytest.mark.parametrize("name", ["wrong_sign", "nan_from_step_30"])
def test_a_bad_run_is_caught_again(name):
    result = replay_rows(CASES[name], record(CASES[name].how))
    assert result.result == "caught", result.verdict.summary


@pytest.mark.parametrize("name", ["base", "stopped_and_resumed"])
def test_a_good_run_is_good_again(name):
    result = replay_rows(CASES[name], record(CASES[name].how))
    assert (result.result, result.verdict.verdict) == ("untouched", "good"), result.verdict.summary


def test_every_fault_finds_what_it_replaces():
    # In a process of its own, since nothing is put back.
    code = "from tests.bench.verdicts.sabotage import FAULTS\nfor fault in FAULTS.values(): fault()\nprint(len(FAULTS))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(FAULTS)
