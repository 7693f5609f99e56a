"""The page: templates and facts in, one HTML text out that asks for nothing outside itself."""

import base64
import hashlib
import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from job.errors import CannotTellError, UsageError
from job.record.resolved_settings import of_run as of_record
from job.record.run import Run
from job.report import labels, palette, side_by_side, view
from job.report.chart import Figure
from job.report.codebooks import codebooks
from job.report.curves import charts
from job.report.gather import Facts
from job.report.series import MOST_POINTS

MISSING_EXTRA = "codecjob report needs jinja2 and plotly: pip install 'codecjob[report]'"
_TEMPLATES = Path(__file__).parent / "template"
_SECTIONS = (
    ("verdict", "Verdict"),
    ("evidence", "Evidence"),
    ("curves", "Curves"),
    ("codebooks", "Codebooks"),
    ("samples", "Samples"),
    ("cost", "Cost"),
    ("attempts", "Attempts"),
    ("spec", "Spec"),
    ("events", "Events"),
)
_COMPARED = (
    ("verdicts", "Verdicts"),
    ("outcomes", "Outcomes"),
    ("settings", "Settings"),
    ("curves", "Curves"),
    ("samples", "Samples"),
)


class Drawn(Protocol):
    """A chart of any kind."""

    @property
    def metric(self) -> labels.Metric: ...  # noqa: D102
    @property
    def figure(self) -> Figure: ...  # noqa: D102


def check_extra() -> None:
    """Raises UsageError where what a page is made with is not installed."""
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(MISSING_EXTRA) from error


def of_run(facts: Facts) -> str:
    """The page of one run."""
    figures: dict[str, Figure] = {}
    drawn = charts(facts.rows, facts.hidden, facts.checklist, facts.verdict)
    metrics, lines = view.rows_table(facts.validations())
    return render(
        "run.html",
        figures,
        sections=_SECTIONS,
        facts=facts,
        tiles=view.tiles(facts),
        signs=view.signs(facts),
        validations=facts.validations(),
        charts=drawn,
        groups=grouped(drawn, figures),
        most_points=MOST_POINTS,
        table={"metrics": metrics, "lines": lines},
        codebooks=_with_ids("codebook", codebooks(facts.validations()), figures),
        spec=view.spec_text(facts.spec.model_dump(mode="json", exclude_defaults=True)) if facts.spec else "",
        whole_spec=view.spec_text(facts.submission.spec) if facts.submission else "",
        config=view.spec_text(facts.start["config"])
        if facts.start and isinstance(facts.start.get("config"), dict)
        else "",
        events=[(event, view.event_details(event)) for event in facts.events[-view.MOST_EVENTS :]],
        ends=view.attempt_ends,
        cost=view.attempt_cost,
    )


def of_runs(found: Sequence[Facts], runs: Sequence[Run]) -> str:
    """The page of several runs side by side; ``runs`` are their records, in the same order."""
    figures: dict[str, Figure] = {}
    columns = side_by_side.columns(found)
    try:
        settings = side_by_side.settings([of_record(run) for run in runs])
    except (CannotTellError, UsageError):
        settings = None
    return render(
        "compare.html",
        figures,
        sections=_COMPARED,
        runs=columns,
        outcomes=side_by_side.outcomes(columns),
        settings=settings,
        groups=grouped(side_by_side.overlays(columns), figures),
    )


def grouped(drawn: Sequence[Drawn], figures: dict[str, Figure]) -> list[tuple[str, list[tuple[str, Drawn]]]]:
    """Charts under their group's heading, each with the id of its place; their figures are added to ``figures``."""
    named = _with_ids("chart", drawn, figures)
    groups = [(group, [pair for pair in named if pair[1].metric.group == group]) for group in labels.GROUPS]
    return [(group, found) for group, found in groups if found]


def render(template: str, figures: dict[str, Figure], **context: Any) -> str:
    """A template with what every page has."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.globals |= {
        "usd": view.usd,
        "number": view.number,
        "count": view.count,
        "moment": view.moment,
        "khz": lambda hertz: f"{hertz / 1000:g}",
    }
    plotly = str(get_plotlyjs()) if figures else ""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    first = "document.documentElement.dataset.scripted = 'yes';"
    # Our own files and plotly's: all else on a page is escaped.
    return environment.get_template(template).render(
        policy=_policy([first, plotly, script]),
        version=importlib.metadata.version("codecjob"),
        style=_safe(_colours() + (_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        first=_safe(first),
        script=_safe(script),
        plotly=_safe(plotly),
        figures=figures,
        swaps=palette.swaps(),
        **context,
    )


def _with_ids(prefix: str, drawn: Iterable[Any], figures: dict[str, Figure]) -> list[tuple[str, Any]]:
    named = [(f"{prefix}-{number}", chart) for number, chart in enumerate(drawn, 1)]
    figures.update({name: chart.figure for name, chart in named})
    return named


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _policy(scripts: Sequence[str]) -> str:
    """What the browser lets the page do: run its own scripts, show and play what is in it, and reach nothing else.

    A script that somebody has smuggled into a record has another hash and is not run, even if escaping had failed.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts if script)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _colours() -> str:
    """The palette as custom properties of the style sheet; paper is always light."""
    light = "".join(f"--{role}:{colour.light};" for role, colour in palette.COLOURS.items())
    dark = "".join(f"--{role}:{colour.dark};" for role, colour in palette.COLOURS.items())
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
