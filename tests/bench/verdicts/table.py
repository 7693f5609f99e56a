"""The bench's results as a page of Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from job.verdict.rows import Row
from job.verdict.signs import State
from tests.bench.verdicts.case import Training
from tests.bench.verdicts.peers import TEACHERS, Peer
from tests.bench.verdicts.replay import Replay


def as_dict(replay: Replay) -> dict[str, Any]:
    """A result, JSON-ready."""
    return {
        "case": replay.case.name,
        "kind": replay.case.kind,
        "how": _how(replay),
        "result": replay.result,
        "known": replay.case.known,
        "fault_shows_at": _where(replay, replay.shown_at),
        "bad_at": _where(replay, replay.bad_at),
        "verdict": replay.verdict.verdict,
        "summary": replay.verdict.summary,
    }


def markdown(replays: Sequence[Replay], others: Sequence[Peer]) -> str:
    """Both tables of cases and the comparison."""
    bad = [replay for replay in replays if replay.case.kind == "bad"]
    good = [replay for replay in replays if replay.case.kind == "good"]
    return "\n\n".join(
        [
            _comparison(replays, others),
            "### Bad runs\n\n"
            + _table(
                ("run", "what is broken", "from", "fault shows at", "BAD at", "result", "signs"),
                (
                    [r.case.name, r.case.what, _how(r), _where(r, r.shown_at), _where(r, r.bad_at), r.result, _signs(r)]
                    for r in bad
                ),
            ),
            "### Good runs\n\n"
            + _table(
                ("run", "what is odd", "from", "rows", "result", "last verdict"),
                ([r.case.name, r.case.what, _how(r), len(r.rows), _result(r), r.verdict.verdict.upper()] for r in good),
            ),
        ]
    )


def _comparison(replays: Sequence[Replay], others: Sequence[Peer]) -> str:
    visible = [replay for replay in replays if replay.case.kind == "bad" and replay.case.shows]
    good = [replay for replay in replays if replay.case.kind == "good"]
    caught = [replay for replay in visible if replay.result in ("caught", "LATE", "EARLY")]
    in_time = [replay for replay in visible if replay.result == "caught"]
    touched = [replay for replay in good if replay.bad_at is not None]
    rows: list[list[object]] = [
        ["codecjob", _of(caught, visible), _of(in_time, visible), _of(touched, good)],
    ]
    compared = [replay for replay in good if replay.case.name not in TEACHERS]
    for peer in others:
        if peer.stops is None:
            rows.append([peer.name, "not installed", "", ""])
            continue
        told = [_of(peer.caught(visible), visible), _of(peer.in_time(visible), visible)]
        rows.append([peer.name, *told, _of(peer.stopped_good(compared), compared)])
    if not others:
        rows.append(["Lightning, Optuna, Ray Tune", "not installed", "", ""])
    return _table(("tool", "bad runs stopped", "at the first row that shows it", "good runs stopped"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _of(some: Sequence[object], of: Sequence[object]) -> str:
    return f"{len(some)} of {len(of)}"


def _result(replay: Replay) -> str:
    return f"{replay.result}: {replay.case.known}" if replay.case.known else replay.result


def _how(replay: Replay) -> str:
    how = replay.case.how
    return "training" if isinstance(how, Training) else how.source


def _where(replay: Replay, index: int | None) -> str:
    return "" if index is None else _spelled(replay.rows[index])


def _spelled(row: Row) -> str:
    return f"{row.kind}, step {row.step}"


def _signs(replay: Replay) -> str:
    return ", ".join(dict.fromkeys(sign.sign for sign in replay.verdict.signs if sign.state is State.BAD))
