"""`codecjob gpus` before the fake of RunPod."""

import json
import os
import subprocess
import sys

from fakes.runpod.desk import Desk


def gpus(desk: Desk, *words: str, key: str | None = None) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "CODECJOB_RUNPOD_URL": desk.server.url, "HOME": os.devnull, "NO_COLOR": "1", "COLUMNS": "160"}
    env["RUNPOD_API_KEY"] = desk.account.key if key is None else key
    command = [sys.executable, "-m", "job", "gpus", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_table_has_price_memory_and_place_the_cheapest_first(runpod_desk: Desk) -> None:
    done = gpus(runpod_desk)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["gpu", "memory", "cloud", "USD/h", "free", "data", "centers"]
    assert lines[2] == ["NVIDIA", "RTX", "A4000", "16", "GB", "secure", "0.25", "low", "EU-RO-1"]
    assert [float(line[line.index("GB") + 2]) for line in lines[1:]] == [0.17, 0.25, 0.34, 0.69, 2.99]
    assert done.returncode == 0


def test_the_json_has_the_same(runpod_desk: Desk) -> None:
    offers = json.loads(gpus(runpod_desk, "--json").stdout)
    assert [offer["price_per_hour"] for offer in offers] == [0.17, 0.25, 0.34, 0.69, 2.99]
    assert offers[3]["data_centers"] == ["US-KS-2", "EU-RO-1"]


def test_a_wrong_key_none_and_no_answer_are_one_line_each(runpod_desk: Desk) -> None:
    wrong, none = gpus(runpod_desk, key="rpa_wrong"), gpus(runpod_desk, key="")
    assert (wrong.returncode, none.returncode) == (2, 2)
    assert "does not know the key" in wrong.stderr
    assert "no RunPod key: set RUNPOD_API_KEY" in none.stderr
    assert [len(done.stderr.splitlines()) for done in (wrong, none)] == [1, 1]
    unknown = gpus(runpod_desk, "--provider", "runpot")
    assert unknown.returncode == 2
    assert "did you mean 'runpod'" in unknown.stderr
