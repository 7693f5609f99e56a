"""The tables of docs/normalization.md."""

from collections.abc import Sequence
from statistics import mean

from tests.bench.normalization.trainings import Training

# What the user's document promises of the fixed level, in dB of SNR.
PROMISED = {1: 12, 5: 24, 10: 32, 20: 40}
NAMES = {"level": "fixed -16 dB", "peak": "per-sample peak"}
FIELDS = {"snr_db": "SNR, dB", "amplitude": "amplitude", "correlation": "correlation"}


def markdown(trainings: Sequence[Training], epochs: int) -> str:
    """Epoch by epoch: the promise, then mean and range over seeds of each normalization."""
    shown = sorted({0, 1, 2, 3, 5, 10, 15, 20, epochs} & set(range(epochs + 1)))
    parts = []
    for field, title in FIELDS.items():
        promised = field == "snr_db"
        head = ["epoch", *(["promised"] if promised else []), *NAMES.values()]
        lines = [f"{title}:", "", _row(head), _row(["---"] * len(head))]
        for epoch in shown:
            cells = [f"+{PROMISED[epoch]}" if epoch in PROMISED else ""] if promised else []
            lines.append(_row([str(epoch), *cells, *(_cell(trainings, kind, epoch, field) for kind in NAMES)]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(trainings: Sequence[Training], kind: str, epoch: int, field: str) -> str:
    values = [training.at(epoch, field) for training in trainings if training.normalization == kind]
    return f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
