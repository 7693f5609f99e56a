"""An evaluation as a table, as files and as a plot."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codec.files import replacing, to_json, write_atomically

Row = Mapping[str, Any]

# Field, heading, decimals. What no row has is left out.
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("codec", "codec", 0),
    ("quantizers", "quantizers", 0),
    ("nominal_kbps", "kbit/s", 2),
    ("effective_kbps", "effective", 2),
    ("snr_db", "SNR dB", 2),
    ("snr_db_error", "+-", 2),
    ("least_snr_db", "least", 1),
    ("si_sdr_db", "SI-SDR dB", 2),
    ("pesq", "PESQ", 2),
    ("pesq_error", "+-", 2),
    ("stoi", "STOI", 3),
    ("mel_distance", "mel", 3),
    ("amplitude", "amplitude", 3),
    ("delay_ms", "delay ms", 0),
    ("encode_times_real_time", "encode x", 1),
    ("decode_times_real_time", "decode x", 1),
)
PLOTTED = (("snr_db", "SNR, dB"), ("si_sdr_db", "SI-SDR, dB"), ("pesq", "PESQ"))


def markdown(rows: Sequence[Row]) -> str:
    """The table, aligned, so that it reads well as it is."""
    shown = [(field, title, digits) for field, title, digits in COLUMNS if any(field in row for row in rows)]
    cells = [[title for _, title, _ in shown]]
    cells += [[_cell(row.get(field), digits) for field, _, digits in shown] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(shown))]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "| " + " | ".join("-" * (width - 1) + ":" for width in widths) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def save(folder: Path, facts: Mapping[str, Any], lines: Sequence[str]) -> list[str]:
    """Write evaluation.json, .csv, .md and, where matplotlib is installed, .png; returns a line for what is missing."""
    rows: Sequence[Row] = facts["rows"]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "evaluation.json", to_json(dict(facts), indent=2) + "\n")
    write_atomically(folder / "evaluation.csv", _csv(rows))
    write_atomically(folder / "evaluation.md", "\n".join([*lines, "", markdown(rows), ""]))
    try:
        import matplotlib
    except ModuleNotFoundError:
        return ["no plot: install it with pip install 'codecjob[evaluate]'"]
    matplotlib.use("Agg")
    _plot(folder / "evaluation.png", rows)
    return []


def _plot(path: Path, rows: Sequence[Row]) -> None:
    from matplotlib import pyplot

    panels = [(field, title) for field, title in PLOTTED if field in rows[0]]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4), layout="constrained", squeeze=False)
    for axis, (field, title) in zip(axes[0], panels, strict=True):
        for codec in dict.fromkeys(row["codec"] for row in rows):
            own = [row for row in rows if row["codec"] == codec]
            axis.plot([row["nominal_kbps"] for row in own], [row[field] for row in own], marker="o", label=codec)
        axis.set(xlabel="kbit/s", ylabel=title)
        axis.grid(alpha=0.3)
        axis.legend()
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
    pyplot.close(figure)


def _csv(rows: Sequence[Row]) -> str:
    fields = list(dict.fromkeys(field for row in rows for field in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cell(value: object, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
