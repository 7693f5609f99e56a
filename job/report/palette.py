"""The page's colours, once for the style sheet and the charts: each has a light and a dark one.

Charts are made with the light colours; the page swaps them. Text reaches 4.5:1 on its ground and lines 3:1, in both.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """One role's colour on a light and on a dark page, as #rrggbb or #rrggbbaa."""

    light: str
    dark: str


COLOURS = {
    "page": Colour("#f5f5f2", "#101214"),
    "card": Colour("#ffffff", "#191c20"),
    "ink": Colour("#1b1d21", "#e9ebee"),
    "muted": Colour("#575d68", "#a8aeb8"),
    "line": Colour("#dcdee2", "#30353c"),
    "grid": Colour("#e8e9ec", "#262a30"),
    "validation": Colour("#2456c7", "#7ea6ff"),
    "train": Colour("#868c96", "#7c848f"),
    "good": Colour("#15703f", "#4cc38a"),
    "bad": Colour("#b32218", "#ff7f76"),
    "undecided": Colour("#835600", "#e2b144"),
    "good-ground": Colour("#15703f14", "#4cc38a17"),
    "bad-ground": Colour("#b3221812", "#ff7f7617"),
    "undecided-ground": Colour("#83560014", "#e2b14417"),
}

RUNS = (
    Colour("#2456c8", "#7ea6fe"),
    Colour("#c2410c", "#fb923c"),
    Colour("#0f766e", "#2dd4bf"),
    Colour("#8b2fd6", "#c690ff"),
    Colour("#7a6200", "#e6c34a"),
    Colour("#be185d", "#f472b6"),
)
"""Of runs side by side, in their order; each has a dash of its own too."""
BAND = "38"
"""How much of a curve's colour its ground has, in hex."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def light(role: str) -> str:
    """The colour of a role as charts take it."""
    return _plotly(COLOURS[role].light)


def band(colour: str) -> str:
    """The ground of a curve of this light colour, as charts take it."""
    return _plotly(colour + BAND)


def swaps() -> dict[str, str]:
    """Light colour -> dark colour, as both stand in charts."""
    every = (*COLOURS.values(), *RUNS)
    bands = {band(colour.light): band(colour.dark) for colour in every if len(colour.light) == len("#rrggbb")}
    return {_plotly(colour.light): _plotly(colour.dark) for colour in every} | bands


def _plotly(colour: str) -> str:
    """Plotly knows no #rrggbbaa."""
    if len(colour) == len("#rrggbb"):
        return colour
    red, green, blue, alpha = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{alpha / 255:.3f})"
