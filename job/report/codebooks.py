"""Code use of each quantizer stage over the epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from job.report import labels
from job.report.chart import Figure, as_json, new_figure
from job.verdict.rows import PER_STAGE, Row

MOST_EPOCHS = 200
FEW_CELLS = 80
"""So many can have their number written in them, on a phone too."""


@dataclass(frozen=True)
class Codebook:
    """A heat map of one metric and the sentence that goes with it."""

    metric: labels.Metric
    caption: str
    figure: Figure


def codebooks(validations: Sequence[Row]) -> list[Codebook]:
    """A map for each metric that has a number for each stage."""
    return [found for name in PER_STAGE if (found := _codebook(name, validations)) is not None]


def _codebook(name: str, validations: Sequence[Row]) -> Codebook | None:
    rows = [row for row in validations if name in row.stages][-MOST_EPOCHS:]
    if not rows:
        return None
    metric = replace(labels.of(name), says=labels.of(name).says.removesuffix(", mean over stages"))
    count = max(len(row.stages[name]) for row in rows)
    # [stages, epochs]
    cells = [[_cell(row.stages[name], stage) for row in rows] for stage in range(count)]
    epochs = ["?" if row.epoch is None else str(row.epoch) for row in rows]
    highest = max((cell for line in cells for cell in line if cell is not None), default=0.0)
    # Other trainers write the number of codes, not their share.
    spell = ".0%" if highest <= 1 else ".3g"
    drawn = new_figure()
    drawn.add_heatmap(
        name=metric.title,
        x=list(range(len(rows))),
        y=[f"stage {stage + 1}" for stage in range(count)],
        z=cells,
        customdata=[epochs] * count,
        zmin=0,
        zmax=max(1.0, highest),
        colorscale="Viridis",
        xgap=1 if len(rows) <= 30 else 0,
        ygap=1,
        colorbar={"thickness": 10, "len": 1, "tickformat": spell, "outlinewidth": 0},
        hovertemplate=f"%{{y}}, epoch %{{customdata}}: %{{z:{spell}}}<extra></extra>",
    )
    if len(rows) * count <= FEW_CELLS and len(rows) <= 8:
        drawn.update_traces(texttemplate=f"%{{z:{spell}}}", textfont_size=11)
    every = max(1, math.ceil(len(rows) / 12))
    ticks = {"tickvals": list(range(0, len(rows), every)), "ticktext": epochs[::every]}
    drawn.update_xaxes(title={"text": "epoch", "standoff": 4}, showgrid=False, **ticks)
    drawn.update_yaxes(autorange="reversed", showgrid=False, type="category")
    drawn.update_layout(height=min(max(90 + 24 * count, 160), 620))
    newest = ", ".join("?" if line[-1] is None else f"{line[-1]:.0%}" for line in cells)
    said = f"{metric.title} of {count} stages over {len(rows)} epochs; the newest, by stage: {newest}"
    return Codebook(metric, said, as_json(drawn))


def _cell(stages: Sequence[float], stage: int) -> float | None:
    """A stage that a row lacks, or that is not a number, is an empty cell."""
    if stage >= len(stages) or not math.isfinite(stages[stage]):
        return None
    return float(f"{stages[stage]:.4g}")
