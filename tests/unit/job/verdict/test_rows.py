import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.verdict.rows import Row, collate, json_number, parse


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def only(row: dict[str, Any]) -> Row:
    (parsed,) = parse(lines(row)).rows
    return parsed


START = {"kind": "start", "step": 0, "epoch": 0, "time": 1.0}
TRAIN = {"kind": "train", "step": 10, "epoch": 0, "time": 2.0, "loss": 0.5}
VALIDATION = {"kind": "validation", "step": 20, "epoch": 1, "time": 3.0, "snr_db": 6.0}


def test_a_row_holds_its_numbers_alone() -> None:
    row = only({**VALIDATION, "loss": None, "l1": "lost", "good": True, "perplexity": [0.5], "config": {"a": 1}})
    assert (row.attempt, row.kind, row.step, row.epoch) == (1, "validation", 20, 1)
    assert dict(row.values) == {"step": 20.0, "epoch": 1.0, "time": 3.0, "snr_db": 6.0}
    assert row.get("loss") is None


def test_a_metric_of_each_stage_is_read_as_their_mean() -> None:
    row = only({**VALIDATION, "perplexity": [0.5, 0.25], "codes_used": [0.5, "lost"], "loss": [0.1]})
    assert row.stages == {"perplexity": (0.5, 0.25)}
    assert (row.get("perplexity"), row.get("codes_used"), row.get("loss")) == (0.375, None, None)
    assert only({**VALIDATION, "perplexity": 0.3}).get("perplexity") == 0.3
    broken = only({**VALIDATION, "perplexity": ["NaN", 0.25]}).get("perplexity")
    assert broken is not None
    assert math.isnan(broken)


def test_a_start_row_has_the_numbers_of_its_configuration() -> None:
    row = only({**START, "device": "cuda:0", "config": {"codebook_size": 256, "step": 9, "strides": [2, 2]}})
    assert (row.get("codebook_size"), row.step, row.device) == (256.0, 0, "cuda:0")
    assert only({**START, "config": "lost", "device": 7}).device is None


@pytest.mark.parametrize("spelt", ["NaN", "nan", "-nan"])
def test_nan_in_words(spelt: str) -> None:
    value = only({"loss": spelt}).get("loss")
    assert value is not None and math.isnan(value)


@pytest.mark.parametrize("spelt", ["Infinity", "inf", "+inf", " Inf "])
def test_infinity_in_words(spelt: str) -> None:
    assert only({"loss": spelt}).get("loss") == math.inf
    assert only({"loss": f"-{spelt.strip().lstrip('+')}"}).get("loss") == -math.inf


def test_non_finite_numbers_as_bare_tokens() -> None:
    (row,) = parse(b'{"loss": NaN, "l1": Infinity, "vq": -Infinity, "snr_db": 1e999}\n').rows
    assert math.isnan(row.values["loss"])
    assert [row.get(name) for name in ("l1", "vq", "snr_db")] == [math.inf, -math.inf, math.inf]


def test_an_integer_beyond_all_floats_is_infinite() -> None:
    assert only({"loss": 10**400}).get("loss") == math.inf
    assert only({"loss": -(10**400)}).get("loss") == -math.inf


@given(st.floats())
def test_every_number_survives_the_way_through_the_file(value: float) -> None:
    text = json.dumps({"loss": json_number(value)}, allow_nan=False)
    (row,) = parse(text.encode() + b"\n").rows
    assert repr(row.values["loss"]) == repr(value) or (math.isnan(value) and math.isnan(row.values["loss"]))


def test_steps_and_epochs_that_are_no_whole_numbers() -> None:
    assert (only({"step": 12.0, "epoch": 1.7}).step, only({"epoch": 1.7}).epoch) == (12, 1)
    for useless in (None, "seven", True, "NaN", "Infinity"):
        assert only({"step": useless}).step is None


def test_a_row_without_kind_is_what_its_metrics_make_it() -> None:
    assert only({"loss": 0.3, "snr_db": 6}).kind == "validation"
    assert only({"loss": 0.3, "correlation": "NaN"}).kind == "validation"
    assert only({"loss": 0.3}).kind == "train"
    assert only({"kind": 7, "loss": 0.3}).kind == "train"


def test_a_torn_last_line_is_no_row_and_no_defect() -> None:
    log = parse(lines(TRAIN) + b'{"kind": "validation", "snr_db": 0.')
    assert (len(log.rows), log.unreadable) == (1, 0)


def test_a_whole_last_line_without_its_newline_is_a_row() -> None:
    assert len(parse(lines(TRAIN)[:-1]).rows) == 1


def test_lines_that_are_no_objects_are_counted() -> None:
    garbage = [b"RIFF\x00\xff\xfeWAVE", b"[1, 2]", b"7", b'{"loss": ', b"[" * 100_000]
    log = parse(b"\n".join(garbage) + b"\n\n  \n" + lines(TRAIN))
    assert (len(log.rows), log.unreadable) == (1, len(garbage))


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert len(parse(b"\xef\xbb\xbf" + lines(TRAIN, VALIDATION).replace(b"\n", b"\r\n")).rows) == 2


def test_an_empty_file_has_no_rows() -> None:
    assert parse(b"").rows == ()


def attempts(*rows: dict[str, Any], first: int = 1) -> list[int]:
    return [row.attempt for row in parse(lines(*rows), first).rows]


def test_each_start_row_begins_an_attempt() -> None:
    again = {**START, "step": 20, "time": 9.0}
    assert attempts(START, TRAIN, again, TRAIN) == [1, 1, 2, 2]
    assert attempts(START, TRAIN, again, TRAIN, first=5) == [5, 5, 6, 6]


def test_what_stands_before_the_first_start_row_belongs_to_it() -> None:
    assert attempts(TRAIN, START, VALIDATION) == [1, 1, 1]


def test_a_copy_of_a_start_row_begins_nothing() -> None:
    assert attempts(START, START, TRAIN, VALIDATION, START, TRAIN) == [1, 1, 1, 1]


def test_a_restart_from_nothing_is_told_from_a_copy_by_its_time() -> None:
    assert attempts(START, TRAIN, {**START, "time": 8.0}, TRAIN) == [1, 1, 2, 2]
    timeless = {"kind": "start", "step": 0}
    assert attempts(timeless, TRAIN, timeless, TRAIN) == [1, 1, 2, 2]


def kept(*rows: dict[str, Any]) -> list[tuple[int, str, int | None]]:
    return [(row.attempt, row.kind, row.step) for row in collate(parse(lines(*rows)).rows)]


def test_of_equal_keys_the_first_row_counts() -> None:
    changed = {**VALIDATION, "snr_db": -5.0}
    (row,) = collate(parse(lines(VALIDATION, changed)).rows)
    assert row.get("snr_db") == 6.0


def test_rows_come_in_the_order_of_training() -> None:
    late = {**TRAIN, "step": 20}
    assert kept(VALIDATION, late, TRAIN, START) == [
        (1, "start", 0),
        (1, "train", 10),
        (1, "train", 20),
        (1, "validation", 20),
    ]


def test_a_row_without_step_follows_the_row_before_it() -> None:
    assert [step for _, _, step in kept(TRAIN, {"loss": 1}, {**TRAIN, "step": 30}, {**TRAIN, "step": 20})] == [
        10,
        None,
        20,
        30,
    ]


def test_resuming_hides_what_older_attempts_wrote_later() -> None:
    resumed = {"kind": "start", "step": 20, "epoch": 1, "time": 9.0}
    lost = {**TRAIN, "step": 21}
    again = {**TRAIN, "step": 25}
    assert kept(START, TRAIN, VALIDATION, lost, resumed, again) == [
        (1, "start", 0),
        (1, "train", 10),
        (1, "validation", 20),
        (2, "start", 20),
        (2, "train", 25),
    ]


def test_a_third_attempt_that_goes_further_back_hides_the_second() -> None:
    second = {"kind": "start", "step": 20, "time": 8.0}
    third = {"kind": "start", "step": 10, "time": 9.0}
    rows = kept(START, TRAIN, VALIDATION, second, {**TRAIN, "step": 25}, third, {**TRAIN, "step": 15})
    assert rows == [(1, "start", 0), (1, "train", 10), (3, "start", 10), (3, "train", 15)]


@pytest.mark.parametrize(("spelt", "value"), [("-0.9", -0.9), (" +6 dB", 6.0), ("47.2%", 0.472), ("1e-3", 1e-3)])
def test_numbers_in_strings_are_numbers(spelt: str, value: float) -> None:
    assert only({"snr_db": spelt}).get("snr_db") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "lost", "1_000", "0x10", "1,5", "--1", "1.2.3", "nanometre"])
def test_other_strings_are_no_numbers(text: str) -> None:
    assert only({"snr_db": text}).get("snr_db") is None


@pytest.mark.parametrize("kind", ["val", "Validation", "eval", "TEST"])
def test_other_words_for_a_validation(kind: str) -> None:
    assert only({"kind": kind, "loss": 0.1}).kind == "validation"


def test_a_printed_dictionary_is_a_row() -> None:
    line = b"{'epoch': 3, 'step': 9, 'snr_db': nan, 'loss': tensor(0.25, device='cuda:0'), 'vq': np.float64(-inf)}\n"
    log = parse(line)
    assert log.unreadable == 0
    (row,) = log.rows
    assert (row.step, row.get("loss"), row.get("vq")) == (9, 0.25, -math.inf)
    assert math.isnan(row.values["snr_db"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_other_encodings(encoding: str) -> None:
    text = lines(TRAIN, VALIDATION).decode()
    log = parse(text.encode(encoding))
    assert (len(log.rows), log.unreadable) == (2, 0)


def test_an_snr_of_minus_infinity_alone_was_not_measured() -> None:
    assert only({"kind": "validation", "epoch": 1, "loss": 0.3, "snr_db": "-inf"}).get("snr_db") is None
    assert only({"epoch": 1, "loss": 0.3, "snr_db": "-inf"}).kind == "train"


@pytest.mark.parametrize("beside", [{"amplitude": 0.9}, {"loss": "NaN"}, {"loss": "inf"}, {"si_sdr_db": "NaN"}])
def test_beside_other_figures_it_was(beside: dict[str, Any]) -> None:
    assert only({"kind": "validation", "snr_db": "-inf", **beside}).get("snr_db") == -math.inf
    assert only({"kind": "validation", "loss": 0.1, "snr_db": "inf"}).get("snr_db") == math.inf


def test_rows_without_steps_stay_in_the_order_of_the_file() -> None:
    rows = [{"kind": kind, "epoch": epoch} for epoch in (1, 2) for kind in ("train", "validation")]
    assert [(kind, step) for _, kind, step in kept(*rows)] == [("train", None), ("validation", None)] * 2
