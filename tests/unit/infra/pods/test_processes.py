import subprocess
import sys

import pytest

from infra.pods import processes


@pytest.mark.slow
def test_the_ids_are_the_same_in_every_process() -> None:
    script = "from infra.pods.processes import *; print(machine_id()); print(boot_id())"
    printed = subprocess.check_output([sys.executable, "-c", script], text=True, timeout=120).splitlines()
    assert printed == [processes.machine_id(), processes.boot_id()]
    assert all(printed)
