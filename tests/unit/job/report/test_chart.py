"""Figures: valid by plotly's own rules, with limits, evidence and gaps where they belong."""

import json
import math
from typing import Any

import plotly.graph_objects as go
import pytest

from job.report import labels, thresholds
from job.report.chart import axis_of
from job.report.codebooks import codebooks
from job.report.curves import Chart, charts
from job.report.palette import light
from job.verdict.checklist import evaluate
from job.verdict.checklist_spec import Checklist
from job.verdict.rows import Row, collate, parse

CHECKLIST = Checklist.model_validate({"min_steps": 10})


def rows(*fields: dict[str, Any]) -> list[Row]:
    return list(parse("".join(json.dumps({"time": 1.0, **each}) + "\n" for each in fields).encode()).rows)


def valid(step: int, epoch: int, snr: float | str, **more: Any) -> dict[str, Any]:
    return {"kind": "validation", "step": step, "epoch": epoch, "snr_db": snr, "loss": 0.4, "amplitude": 0.9, **more}


def drawn(found: list[Row], hidden: list[Row] | None = None) -> dict[str, Chart]:
    made = charts(collate(found), hidden or [], CHECKLIST, evaluate(found, CHECKLIST))
    for chart in made:
        json.dumps(go.Figure(chart.figure).to_dict(), allow_nan=False)
    return {chart.metric.name: chart for chart in made}


def test_every_metric_of_either_kind_of_row_has_a_chart() -> None:
    found = drawn(
        rows(valid(0, 0, -1.0, mel_distance=1.0), {"kind": "train", "step": 5, "loss": 1.0, "lr": 1e-3, "own": 7})
    )
    assert set(found) == {"snr_db", "loss", "amplitude", "mel_distance", "lr", "own"}
    assert [trace["name"] for trace in found["loss"].figure["data"]][:2] == ["train", "validation"]
    assert found["own"].metric.group == labels.OTHER
    assert [chart.judged for chart in found.values()] == [True, True, True, False, False, False]


def test_the_limits_of_the_runs_own_checklist_are_drawn_and_named() -> None:
    checklist = Checklist.model_validate({"signs": {"snr_db": {"good_above": 7.5}, "loss": None}})
    found = collate(rows(valid(0, 0, -1.0), valid(20, 1, 3.0)))
    by_name = {chart.metric.name: chart for chart in charts(found, [], checklist, None)}
    said = [note["text"] for note in by_name["snr_db"].figure["layout"]["annotations"]]
    assert "good > 7.5" in said and "bad < 0" in said
    assert "good > 7.5" in by_name["snr_db"].caption
    assert "annotations" not in by_name["loss"].figure["layout"]
    low, high = by_name["snr_db"].figure["layout"]["yaxis"]["range"]
    assert low < -1.0 and high > 7.5, "limits are in the picture"


def test_a_causes_limit_is_drawn_where_the_curve_comes_near_only() -> None:
    near = drawn(rows(valid(0, 0, 1.0, correlation=0.0), valid(20, 1, 1.0, correlation=0.3)))["correlation"]
    far = drawn(rows(valid(0, 0, 1.0, correlation=0.9), valid(20, 1, 1.0, correlation=0.95)))["correlation"]
    assert "zero_correlation < 0.05" in [note["text"] for note in near.figure["layout"]["annotations"]]
    assert "annotations" not in far.figure["layout"]


def test_what_the_verdict_saw_is_marked_where_it_was_seen() -> None:
    found = drawn(rows(valid(0, 0, -1.0), valid(20, 1, -2.0)))
    spot = next(trace for trace in found["snr_db"].figure["data"] if trace["name"] == "verdict")
    assert (spot["x"], spot["y"], spot["marker"]["color"]) == ([20], [-2.0], light("bad"))
    assert spot["meta"].startswith("BAD: ")
    assert "decides" in [note["text"] for note in found["snr_db"].figure["layout"]["annotations"]]


def test_rows_that_are_not_finite_leave_a_gap_and_a_cross() -> None:
    found = drawn(rows(valid(0, 0, -1.0), valid(20, 1, "NaN"), valid(40, 2, "Infinity")))["snr_db"]
    traces = {trace["name"]: trace for trace in found.figure["data"]}
    assert traces["validation"]["x"] == [0]
    assert traces["validation: NaN or infinite"]["x"] == [20, 40]
    assert "2 NaN or infinite" in found.caption
    alone = drawn(rows(valid(20, 1, "NaN")))["snr_db"]
    assert "newest" not in alone.caption


def test_a_long_curve_stands_on_the_ground_of_its_extremes() -> None:
    long = [{"kind": "train", "step": step, "lr": 5.0 if step == 700 else 1.0} for step in range(2000)]
    chart = drawn(rows(*long))["lr"]
    low, high, middle = chart.figure["data"]
    assert (max(low["y"]), max(middle["y"]), max(high["y"])) == (1.0, 1.0, 5.0)
    assert high["fill"] == "tonexty" and len(middle["x"]) == 250
    assert "2000 train rows between 1 and 5, the newest 1" in chart.caption


def test_rows_that_a_resume_has_hidden_are_faint_and_apart() -> None:
    begin = {"kind": "start", "epoch": 0, "config": {}}
    found = rows(
        {**begin, "step": 0},
        valid(0, 0, -1.0),
        valid(30, 1, 2.0),
        {**begin, "step": 10, "time": 2.0},
        valid(20, 1, 4.0),
    )
    kept = collate(found)
    hidden = [row for row in found if row not in kept]
    chart = drawn(found, hidden)["snr_db"]
    faint = next(trace for trace in chart.figure["data"] if "trained again" in trace["name"])
    assert (faint["x"], faint["line"]["dash"]) == ([30], "dot")
    assert "resumed" in [note["text"] for note in chart.figure["layout"]["annotations"]]
    assert "2 validation rows" in chart.caption


@pytest.mark.parametrize(
    ("values", "limits", "log"),
    [
        ([1e-3, 10.0], [0.5, 1.0], True),
        ([0.4, 0.5], [0.5, 1.0], False),
        ([0.0, 10.0], [], False),
        ([], [], False),
        ([0.0], [], False),
        ([1e30, 1e-30], [], True),
    ],
)
def test_an_axis_shows_all_values_and_limits(values: list[float], limits: list[float], log: bool) -> None:
    axis = axis_of(values, limits, log=True)
    assert axis.log is log
    assert axis.low < axis.high and all(0 <= axis.share(value) <= 1 for value in (*values, *limits))
    low, high = axis.scaled_range()
    assert low < high and math.isfinite(high - low)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks().get("tickvals", []))


def test_good_lies_beyond_every_good_limit_and_bad_beyond_any() -> None:
    checklist = Checklist.for_recipe("perceptual")
    lines = thresholds.lines(checklist, "amplitude")
    assert sorted(thresholds.zones(lines, 0.0, 4.0)) == [("bad", 0.0, 0.3), ("bad", 3.0, 4.0), ("good", 0.6, 1.5)]


def test_code_use_is_a_map_of_stages_over_epochs() -> None:
    found = rows(
        valid(0, 0, 0.0, perplexity=[0.5, 0.25], codes_used=[1.0, 1.0]),
        valid(20, 1, 0.0, perplexity=[0.75, "NaN"], codes_used=[1.0]),
    )
    perplexity, used = codebooks(found)
    assert perplexity.figure["data"][0]["z"] == [[0.5, 0.75], [0.25, None]]
    assert used.figure["data"][0]["z"] == [[1.0, 1.0], [1.0, None]]
    assert "newest, by stage: 75%, ?" in perplexity.caption
    for each in (perplexity, used):
        go.Figure(each.figure)
    assert codebooks(rows(valid(0, 0, 0.0))) == []


def test_more_than_a_share_is_a_number_of_codes() -> None:
    (found,) = codebooks(rows(valid(0, 0, 0.0, perplexity=[612.0, 40.5])))
    assert found.figure["data"][0]["zmax"] == 612
    assert found.figure["data"][0]["colorbar"]["tickformat"] == ".3g"
