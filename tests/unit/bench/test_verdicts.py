"""Every bad run of the bench is caught at the row that shows it, and no good one is ever touched."""

import dataclasses
import json
from collections import Counter

import pytest

from job.verdict.signs import State
from tests.bench.verdicts.case import Shows
from tests.bench.verdicts.cases import CASES
from tests.bench.verdicts.made import MADE
from tests.bench.verdicts.peers import Peer
from tests.bench.verdicts.record import ROWS
from tests.bench.verdicts.replay import replay, replay_rows
from tests.bench.verdicts.sabotage import FAULTS

BAD = [case for case in CASES.values() if case.kind == "bad"]
GOOD = [case for case in CASES.values() if case.kind == "good"]
VISIBLE = [case for case in BAD if case.shows]


def names(cases):
    return [pytest.param(case, id=case.name) for case in cases]


@pytest.mark.parametrize("case", names(VISIBLE))
def test_a_bad_run_is_caught_at_the_row_that_shows_it(case):
    result = replay(case)
    assert result.shown_at is not None
    assert result.bad_at is not None, result.verdict.summary
    assert result.shown_at <= result.bad_at <= result.shown_at + 1, result.verdict.summary


@pytest.mark.parametrize("case", names(GOOD))
def test_a_good_run_is_not_bad_at_any_of_its_rows(case):
    result = replay(case)
    # One that is known to go wrong is kept in sight: once it goes right, its note must go.
    assert result.result == ("FALSE ABORT" if case.known else "untouched"), result.verdict.summary


def test_there_are_thirty_kinds_of_each_and_most_bad_ones_were_trained():
    assert len(VISIBLE) >= 30
    assert len(GOOD) >= 30
    how = Counter(type(case.how).__name__ for case in VISIBLE)
    assert how["Training"] > 3 * how["Made"]


def test_a_trained_good_run_ends_good():
    ends = {case.name: replay(case).verdict.verdict for case in GOOD if case not in MADE and not case.known}
    assert [name for name, verdict in ends.items() if verdict is not State.GOOD] == []


def test_every_case_has_rows_and_every_file_a_case():
    assert {path.stem for path in ROWS.glob("*.jsonl")} == set(CASES)
    assert sum(path.stat().st_size for path in ROWS.iterdir()) < 3_000_000


def test_every_fault_is_of_use():
    assert {case.how.fault for case in CASES.values() if case not in MADE} == set(FAULTS)


@pytest.mark.parametrize("case", names(MADE))
def test_rows_that_were_made_are_what_their_maker_makes(case):
    assert (ROWS / f"{case.name}.jsonl").read_bytes() == case.how.write()


def test_no_rows_tell_where_they_were_written():
    told = [path.name for path in ROWS.glob("*.jsonl") if b'_dir": "/' in path.read_bytes()]
    assert told == []


def test_a_good_run_called_bad_is_a_miss_and_a_bad_run_called_good_a_false_abort():
    # The bench itself must be able to fail.
    good = (ROWS / "base.jsonl").read_bytes()
    bad = (ROWS / "wrong_sign.jsonl").read_bytes()
    assert replay_rows(CASES["wrong_sign"], good).result == "MISSED"
    assert replay_rows(CASES["base"], bad).result == "FALSE ABORT"
    for epoch, result in ((0, "LATE"), (1, "caught"), (3, "EARLY")):
        case = dataclasses.replace(CASES["wrong_sign"], shows=(Shows(epoch=epoch),))
        assert replay_rows(case, bad).result == result
    rows = [json.loads(line) for line in bad.splitlines()]
    assert [row["epoch"] for row in rows if row["kind"] == "validation"][:2] == [0, 1]


def test_another_tool_is_held_to_the_same_rows():
    bad, good = replay(CASES["wrong_sign"]), replay(CASES["base"])
    at_once = Peer("x", {"wrong_sign": 0, "base": None})
    assert (at_once.caught([bad, good]), at_once.in_time([bad, good]), at_once.stopped_good([bad, good])) == (
        [bad],
        [bad],
        [],
    )
    late_and_rash = Peer("x", {"wrong_sign": 2, "base": 1})
    assert late_and_rash.caught([bad, good]) == [bad]
    assert late_and_rash.in_time([bad, good]) == []
    assert late_and_rash.stopped_good([bad, good]) == [good]
    assert Peer("x", None).caught([bad, good]) == []
