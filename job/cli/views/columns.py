"""Text in columns: only what a terminal of any width needs, without a frame."""

from collections.abc import Sequence

from rich.text import Text


def widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    """Of each column, so that every cell fits."""
    return [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]


def total(of: Sequence[int], gap: int) -> int:
    """Of a whole line."""
    return sum(of) + gap * (len(of) - 1)


def line(cells: Sequence[Text], of: Sequence[int], right: Sequence[bool], gap: int, indent: int = 0) -> Text:
    """One line of a table. Numbers stand to the right."""
    padded = []
    for cell, width, to_the_right in zip(cells, of, right, strict=True):
        space = " " * (width - cell.cell_len)
        padded.append(Text.assemble(space, cell) if to_the_right else Text.assemble(cell, space))
    found = Text.assemble(" " * indent, Text(" " * gap).join(padded))
    found.rstrip()
    found.no_wrap, found.overflow = True, "ignore"
    return found


def packed(facts: Sequence[Text], width: int, gap: int = 2, indent: int = 2) -> list[Text]:
    """Facts one after another, as many to a line as fit; one that is too long for any line is folded."""
    lines: list[Text] = []
    for fact in facts:
        if lines and lines[-1].cell_len + gap + fact.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], " " * gap, fact)
        else:
            lines.append(Text.assemble(" " * indent, fact, overflow="fold"))
    return lines
