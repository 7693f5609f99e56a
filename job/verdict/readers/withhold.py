"""GOOD is not said of a file that was not read whole."""

from collections.abc import Sequence

from job.verdict.signs import Severity, Sign, State, Verdict


def withhold_good(verdict: Verdict, unreadable: int, lines: Sequence[int]) -> Verdict:
    """Return the verdict with a warning about ``unreadable`` lines, some of them by their numbers; never GOOD."""
    if not unreadable:
        return verdict
    what = "1 line cannot be read" if unreadable == 1 else f"{unreadable} lines cannot be read"
    shown = ", ".join(map(str, lines[:3])) + (", .." if unreadable > 3 else "")
    said = f"{what} (line {shown})"
    hint = "Usually a print of another process or a full disk; remove the lines or write them again."
    sign = Sign("unreadable", State.UNDECIDED, said, float(unreadable), "0", severity=Severity.WARNING, hint=hint)
    if verdict.verdict is State.GOOD:
        return Verdict(State.UNDECIDED, (*verdict.signs, sign), f"nothing is bad; GOOD is withheld: {said}")
    return Verdict(verdict.verdict, (*verdict.signs, sign), f"{verdict.summary}; warning: {said}")
