"""The page's text: what it says of runs of every kind, and what it never lets through."""

import html
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.rows import start, train, validation
from infra.pods import LaunchRequest, open_provider
from job.errors import UsageError
from job.record.documents import Claim, Outcome
from job.record.run import Run
from job.report import page, view, write
from job.report.gather import gather

AddAttempt = Callable[..., None]
ADDRESS = re.compile(r"""(?:src|href|action|srcset|poster|data)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|@import""")
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def page_of(run: Run) -> str:
    return page.of_run(gather(run))


def words_of(text: str) -> str:
    """What a reader sees."""
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", text)))


def test_nothing_on_a_page_has_an_address_outside_it(run: Run, add_attempt: AddAttempt, add_sample: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), validation(20, 1, 6.0)])
    add_sample(1, 1, 0, "original")
    text = page_of(run)
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    found = {match[1] or match[2] for match in ADDRESS.finditer(shown)}
    assert {address for address in found if not address.startswith(("#", "data:"))} == set()
    assert "default-src 'none'" in html.unescape(shown)
    assert text.count("plotly.js v") == 1, "the script stands in the page once"


def test_a_run_that_is_good_says_why_what_it_cost_and_what_it_was(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), validation(20, 1, 6.0)])
    said = words_of(page_of(run))
    assert "✓ GOOD" in said
    assert "snr_db 6 is good (> 5)" in said
    assert "0.10 USD" in said and "0.5 USD/h x 0.2 h" in said
    assert "min_steps: 10" in said
    assert "launched by client, attempt 1" in said
    assert "The record has no samples yet" in said


def test_a_pod_that_is_still_billed_costs_the_same_in_every_place(run: Run) -> None:
    provider, ago = open_provider("local"), time.time() - 7200
    pod = provider.launch(LaunchRequest("speech", run.run_id, 1, "a", ("sleep", "600"), {}))
    try:
        attempt = run.attempt(1)
        attempt.write_once("claim.json", Claim(launch_id="a", pod_id=pod.id, price_per_hour=2.0, time=ago))
        attempt.write_once("outcome.json", Outcome(outcome="failed", reason="x", by="agent", time=ago + 3600))
        facts = gather(run)
    finally:
        provider.terminate(pod.id)
    assert facts.state is not None and facts.state.billing == "on"
    assert [tile.value for tile in view.tiles(facts) if tile.label == "Cost"] == ["4.00 USD"]
    assert view.attempt_cost(facts, facts.attempts[0]) == "4.00 USD (2 USD/h x 2 h)"


def test_a_bad_run_names_its_sign_and_what_to_try(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), validation(20, 1, -2.0)], "aborted")
    said = words_of(page_of(run))
    assert "✕ BAD" in said
    assert "snr_db -2 is bad (< 0)" in said
    assert "Usually the output is worse than silence" in said


def test_rows_of_nothing_but_nan_have_a_page(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), train(5, "NaN"), validation(20, 1, "NaN", loss="Infinity", amplitude="-Infinity")])
    text = page_of(run)
    assert "snr_db is nan" in words_of(text)
    assert "NaN or infinite" in text
    assert re.search(r"[\[:,](NaN|-?Infinity)[,\]}]", re.findall(r'id="figures">(.*?)</script>', text)[0]) is None


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_run_without_rows_says_so(run: Run, add_attempt: AddAttempt, attempts: int) -> None:
    if attempts:
        add_attempt(1, [], None)
    said = words_of(page_of(run))
    assert "This run has no rows yet" in said
    assert "No sign has been looked at yet: there is no validation row" in said
    assert "No validation row says how the codebooks are used" in said
    assert ("No attempt has been made yet" in said) == (attempts == 0)


def test_several_attempts_are_told_apart(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), validation(30, 1, 2.0)], "failed")
    add_attempt(2, [start(10, 2.0), validation(20, 1, 6.0)])
    said = words_of(page_of(run))
    assert "1 more is hidden, because a later attempt resumed before them" in said
    assert "Attempt 2" in said and "failed: it was time (by agent)" in said


def test_half_a_record_says_what_is_missing(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [validation(20, 1, 6.0)])
    run.store.delete(f"runs/{run.run_id}/spec.json")
    said = words_of(page_of(run))
    assert "Not all of the record could be read" in said
    assert "There is no verdict, because the run's spec cannot be read" in said
    assert "What it cost cannot be told" in said


def test_what_stands_in_a_record_never_becomes_part_of_the_page(run: Run, add_attempt: AddAttempt) -> None:
    rows = [start(0, 1.0, device=EVIL), validation(20, 1, 6.0, **{EVIL: 1.0, "'><b>": 2.0})]
    rows[0]["config"][EVIL] = EVIL
    add_attempt(1, rows)
    run.attempt(1).note(EVIL, EVIL, why=EVIL)
    text = page_of(run)
    assert "<script>alert" not in text and "<img src=x" not in text and '<b>"' not in text
    assert EVIL in words_of(text)


def test_runs_side_by_side(run: Run, add_attempt: AddAttempt) -> None:
    add_attempt(1, [start(0, 1.0), validation(0, 0, -1.0), train(5, 1.0), validation(20, 1, 6.0)])
    other = Run(run.store, "speech-20250102-040506-00aa")
    document = run.submission()
    train_changed = {
        **document.spec,
        "train": {"num_epochs": 9},
        "checklist": {"min_steps": 10, "signs": {"loss": None}},
    }
    other.create(document.model_copy(update={"spec": train_changed}))
    other.attempt(1).add_segment(
        "metrics",
        1,
        run.store.get(f"{run.attempt(1).prefix}/metrics/00000001").replace(b'"num_epochs": 4', b'"num_epochs": 9'),
    )
    empty = Run(run.store, "speech-20250102-050607-00bb")
    empty.create(document)
    runs = [run, other, empty]
    text = page.of_runs([gather(each) for each in runs], runs)
    said = words_of(text)
    assert "3 runs side by side" in said
    assert "train.num_epochs494" in said.replace(" ", "")
    assert "saved" in said and "best SNR dB" in said
    figures = re.findall(r'id="figures">(.*?)</script>', text)[0]
    assert '"A (validation)"' in figures and '"B (train)"' in figures
    assert "good > 5" in html.unescape(text).replace("\\u003e", ">")
    assert "good < 0.5" not in html.unescape(text).replace("\\u003c", "<"), "a limit that not all runs have"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    with pytest.raises(UsageError, match=r"pip install 'codecjob\[report\]'"):
        page.check_extra()


def test_a_page_replaces_an_older_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run.html"
    out.write_text("older")
    assert write.write("newer", out, "x.html") == (out, 5)
    assert write.write("ü", None, "named.html") == (tmp_path / "named.html", 2)
    assert write.write("in a folder", tmp_path, "named.html")[0].read_text() == "in a folder"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["named.html", "run.html"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder: make it"):
        write.check_folder(tmp_path / "nowhere" / "run.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        write.check_folder(tmp_path / "file" / "run.html")
    with pytest.raises(UsageError, match="cannot be written"):
        write.write("page", tmp_path / ("x" * 300), "x.html")


def test_names_of_pages() -> None:
    assert write.default_name(["a"]) == "a.html"
    assert write.default_name(["a", "b"]) == "a-vs-b.html"
    assert write.default_name(["a", "b", "c"]) == "a-vs-2-others.html"
