import subprocess
import sys

import pytest

from infra.pods import machine


@pytest.mark.slow
def test_the_ids_are_the_same_in_every_process() -> None:
    script = "from infra.pods.machine import *; print(machine_id()); print(boot_id())"
    printed = subprocess.check_output([sys.executable, "-c", script], text=True, timeout=120).splitlines()
    assert printed == [machine.machine_id(), machine.boot_id()]
    assert all(printed)
