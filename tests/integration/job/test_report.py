"""`codecjob report` of a real run, in a real Chromium: nothing is fetched, charts are drawn, players play."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Browser, Page, sync_playwright

from helpers import PATIENCE_SECONDS
from infra.store import Store
from job.cli import cli as codecjob
from job.record.find import list_runs
from job.record.run import Run
from job.report.palette import COLOURS

CHROMIUM = Path("/usr/bin/chromium")
PHONE, LAPTOP = 390, 1280
MUTED = {scheme: getattr(COLOURS["muted"], scheme) for scheme in ("light", "dark")}
EVIL = "</script><script>document.title = 'run by a stranger'</script><img src=x onerror=\"document.title = 'again'\">"

Report = Callable[..., Result]


@dataclass
class Sight:
    """A page in the browser, and what it did that it should not."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.faults.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", lambda request: self._requested(request.url))

    def open(self, path: Path) -> "Sight":
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=all]", state="attached", timeout=60_000)
        return self

    def _requested(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"request: {url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reported(shared_desk: Any) -> Path:
    """The page of a run that was really trained."""
    done = shared_desk.command("submit", shared_desk.spec(), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    out = shared_desk.folder / "run.html"
    written = shared_desk.command("report", "@last", "--out", out)
    assert written.returncode == 0, written.stderr
    assert written.stdout.startswith(f"wrote {out} (")
    assert f"open it: xdg-open {out}" in written.stdout
    return out


@pytest.fixture
def at_the_desk(shared_desk: Any, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Calls the command in this process, as the user of the desk."""
    monkeypatch.setenv("CODECJOB_HOME", shared_desk.env["CODECJOB_HOME"])
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    return lambda *words: CliRunner().invoke(codecjob, ["report", *map(str, words)])


def test_the_page_of_a_real_run_opens_offline(browser: Browser, reported: Path) -> None:
    sight = Sight(browser.new_context(viewport={"width": LAPTOP, "height": 800}, offline=True).new_page())
    page = sight.open(reported).page
    drawn = page.evaluate(
        "[...document.querySelectorAll('.plot')].map(plot =>"
        " [plot.ariaLabel, plot.data.length, plot.querySelectorAll('.trace, .hm').length])"
    )
    assert len(drawn) >= 20
    assert [caption for caption, wanted, found in drawn if found < wanted or not wanted] == []
    (snr,) = [caption for caption, *_ in drawn if caption.startswith("SNR over steps; 3 validation rows")]
    assert snr.endswith("; good > 5; bad < 0")
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(heading => +heading.tagName[1])")
    assert headings.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(headings))
    assert page.evaluate("[...document.images].every(image => image.alt && image.naturalWidth === 400)")

    for width, scheme in ((LAPTOP, "light"), (PHONE, "light"), (PHONE, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        _until(page, f"document.querySelector('.plot')._fullLayout.font.color === '{MUTED[scheme]}'")
        _until(page, f"document.documentElement.scrollWidth === {width}")  # nothing is cut off at the right
        assert len(page.screenshot()) > 10_000
    assert len(page.pdf()) > 50_000
    page.emulate_media(media="print", color_scheme="dark")
    _until(page, f"document.querySelector('.plot')._fullLayout.font.color === '{MUTED['light']}'")  # paper is white
    page.context.close()
    assert sight.faults == []


def test_players_play_and_go_on_at_the_same_spot(browser: Browser, reported: Path) -> None:
    sight = Sight(browser.new_page())
    page = sight.open(reported).page
    _until(page, "[...document.querySelectorAll('audio')].every(player => player.readyState > 0)")
    durations = page.evaluate("[...document.querySelectorAll('audio')].map(player => player.duration)")
    assert durations == pytest.approx([4.0] * 4, abs=0.05), "the original, untrained and two epochs"
    original, untrained, decoded = (f"document.querySelectorAll('audio')[{at}]" for at in (0, 1, 3))
    page.evaluate(f"{original}.play()")
    _until(page, f"{original}.currentTime > 0.3")
    assert page.locator(".clip.playing").count() == 1
    page.evaluate(f"{decoded}.play()")
    assert page.evaluate(f"{decoded}.currentTime") >= 0.3, "it goes on where the other was"
    _until(page, f"{decoded}.currentTime > 0.4 && {original}.paused")
    page.locator(".picture").nth(1).click(position={"x": 150, "y": 20})
    _until(page, f"{untrained}.currentTime > 1.5 && {decoded}.paused")  # the middle of 4 s, or a little before
    page.close()
    assert sight.faults == []


def test_it_can_be_read_without_scripts(browser: Browser, reported: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(reported.as_uri())
    assert page.get_by_text("Charts need JavaScript").is_visible()
    page.get_by_text("The validation rows as a table").click()
    assert page.locator("table tbody tr").count() == 3
    context.close()


def test_runs_side_by_side(browser: Browser, at_the_desk: Report, shared_desk: Any, reported: Path) -> None:
    run_id = list_runs(shared_desk.store)[-1]
    other = _copy(shared_desk.store, run_id, "other-20250102-030405-00ff")
    out = shared_desk.folder / "both.html"
    done = at_the_desk("--compare", run_id, other, "--out", out, "--json")
    assert json.loads(done.output)["runs"] == [run_id, other]
    sight = Sight(browser.new_page(viewport={"width": PHONE, "height": 800}))
    page = sight.open(out).page
    names = page.evaluate("document.querySelector('.plot').data.map(trace => trace.name)")
    assert names == ["A (train)", "B (train)", "A (validation)", "B (validation)"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    page.close()
    assert sight.faults == []


def test_a_record_that_means_harm_is_shown_and_not_run(
    browser: Browser, at_the_desk: Report, shared_desk: Any, reported: Path
) -> None:
    run_id = _copy(shared_desk.store, list_runs(shared_desk.store)[-1], "evil-20250101-030405-00ff")
    attempt = Run(shared_desk.store, run_id).attempt(1)
    attempt.note(EVIL, EVIL, why=EVIL)
    row = {"kind": "validation", "step": 999, "epoch": 9, "snr_db": "NaN", EVIL: 1.0, "perplexity": ["NaN", 0.5]}
    attempt.add_segment("metrics", 99, (json.dumps(row) + "\n").encode())
    out = shared_desk.folder / "evil.html"
    assert at_the_desk(run_id, "--out", out).exit_code == 0
    sight = Sight(browser.new_page())
    page = sight.open(out).page
    assert page.title() == f"{run_id}: bad"
    assert page.get_by_text(EVIL).count() >= 2
    page.close()
    assert sight.faults == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no run 'nobody'"),
        ([], "Missing argument"),
        (["@last", "@last"], "add --compare"),
        (["@last", "--compare"], "--compare sets 2 to 6 runs side by side, and 1 are named"),
        (["@last", "@last", "--compare"], "is named twice"),
        (["@last", "--out", "nowhere/a.html"], "is no folder: make it"),
    ],
)
def test_bad_input_is_one_line(at_the_desk: Report, reported: Path, words: list[str], said: str) -> None:
    done = at_the_desk(*words)
    assert done.exit_code == 2
    assert said in done.output.splitlines()[-1]


def _until(page: Page, condition: str) -> None:
    """Polls; `wait_for_function` evaluates text, which the page's own policy forbids."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"waited in vain for {condition}"
        page.wait_for_timeout(20)


def _copy(store: Store, run_id: str, name: str) -> str:
    for info in store.list(f"runs/{run_id}/"):
        if "/checkpoints/" not in info.key:
            store.put(info.key.replace(f"runs/{run_id}/", f"runs/{name}/"), store.get(info.key))
    return name
