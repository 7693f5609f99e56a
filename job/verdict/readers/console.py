"""Records from the lines that a trainer prints: "Epoch 1: Loss=2.33, SNR=-inf", "Amplitude: 47.2%".

Each number is read with the words before it. What a trainer prints after the line of an epoch belongs to that epoch,
up to the next line that names an epoch or a step, or until a figure comes again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from job.verdict.json_line import load_object
from job.verdict.number_text import number
from job.verdict.readers.interpret import EMPTY
from job.verdict.readers.records import Record
from job.verdict.readers.vocabulary import SHARED, meaning, phase_of
from job.verdict.rows import VALIDATION_ONLY, drop_unmeasured

_NUMBER = re.compile(
    r"(?<![\w./])[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)(?![\w.]*\w)\s*%?"
    r"|(?<![\w./])[+-]?\d+(?:\.\d+)?(?=\s?d[bB]\b)",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[,|;\[\](){}:=]|\s-\s|\s{2,}")
_COMPARED = re.compile(r"[<>≥≤~]\s*=?\s*$")
# A metric with something behind it that is no number.
_WORD = re.compile(r"([A-Za-z][\w ./()%-]*?)\s*[=:]\s*([A-Za-z?#][^\s,|;]*)")
_LEVELS = frozenset({"info", "debug", "warning", "error", "rank0", "rank"})


@dataclass
class _Line:
    """What one line says."""

    epoch: float | None = None
    step: float | None = None
    figures: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def console(lines: Iterable[str], mapped: frozenset[str] = frozenset()) -> Iterator[Record]:
    """Yield a record for each epoch or step that the lines speak of; ``mapped`` are names that are read as well."""
    current: dict[str, str | float] = {}
    epoch: float | None = None
    begun = 0
    for position, text in enumerate(lines, 1):
        if text.lstrip().startswith("{") and (fields := load_object(text)):
            # Hugging Face's trainer prints its figures as a dictionary.
            yield Record(position, fields)
            continue
        line = _read(text, mapped)
        if line.epoch is None and line.step is None and not line.figures:
            continue
        new = (line.epoch is not None and line.epoch != current.get("epoch")) or (
            line.step is not None and line.step != current.get("step")
        )
        repeated = line.figures.keys() & current.keys()
        if new or repeated or (line.epoch is not None and line.step is None and "step" in current):
            if current.keys() - SHARED:
                yield Record(begun, current)
            current = {}
        epoch = line.epoch if line.epoch is not None else epoch
        if not current:
            begun = position
            current = {} if epoch is None else {"epoch": epoch}
        if line.step is not None:
            current["step"] = line.step
        current.update(line.figures)
        if _is_broken(text, line):
            yield Record(position, None)
    if current.keys() - SHARED:
        yield Record(begun, current)


def _read(text: str, mapped: frozenset[str]) -> _Line:
    line = _Line()
    phase: str | None = None
    end = 0
    for found in _NUMBER.finditer(text):
        label, end = text[end : found.start()], found.end()
        if _COMPARED.search(label):
            continue
        *before, words = _split(label)
        phase = next((said for part in before if (said := _phase_alone(part))), phase)
        if not words:
            continue
        if words in mapped:
            line.figures[words] = found[0]
            continue
        means = meaning(words)
        if means is None and (said := phase_of(words)) and (rest := _without_phase(words)):
            phase, means = said, meaning(rest)
        if means is None:
            continue
        if means.ours == "epoch":
            line.epoch = number(found[0]) if line.epoch is None else line.epoch
        elif means.ours == "step":
            line.step = number(found[0]) if line.step is None else line.step
        elif means.ours != "time":
            name = words if means.phase or phase is None else f"{phase}/{words}"
            line.figures.setdefault(name, found[0])
    _drop_unmeasured(line)
    return line


def _split(label: str) -> list[str]:
    """The parts of the text before a number; the last one is its name, without the level of a log line."""
    label = label.replace("(dB)", " ").replace("(%)", " percent ")
    parts = [part.strip(" \t.#*>") for part in _SEPARATORS.split(label.rstrip(" \t=:[(~"))]
    words = [word for word in parts[-1].split() if word.lower() not in _LEVELS]
    return [*parts[:-1], " ".join(words)]


def _phase_alone(part: str) -> str | None:
    return phase_of(part) if len(part.split()) == 1 else None


def _without_phase(words: str) -> str:
    """ "Validation epoch" names an epoch, and says whose the figures behind it are."""
    rest = [word for word in words.split() if not phase_of(word)]
    return " ".join(rest) if len(rest) == 1 and rest[0].lower() in ("epoch", "step", "iter", "iteration") else ""


def _drop_unmeasured(line: _Line) -> None:
    """Leave out an SNR of minus infinity on a line that measures nothing else, whatever the lines around it say."""
    measured: dict[str, float] = {}
    for name, raw in line.figures.items():
        means, value = meaning(name), number(raw)
        if means and value is not None and (means.phase != "train" or means.ours not in VALIDATION_ONLY):
            measured.setdefault(means.ours, value)
    dropped = drop_unmeasured(measured)
    for name in [name for name in line.figures if (means := meaning(name)) and means.ours in dropped]:
        del line.figures[name]


def _is_broken(text: str, line: _Line) -> bool:
    """Whether a line of figures gives a word for one of them that says neither a number nor nothing."""
    if line.epoch is None and line.step is None:
        return False
    for name, word in _WORD.findall(text):
        means = meaning(_split(name)[-1])
        if means and means.ours not in SHARED and word.lower() not in EMPTY and number(word) is None:
            return True
    return False
