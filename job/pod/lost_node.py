"""Which node of a multi-node attempt failed first, judged by the nodes' heartbeats.

A node that is gone breaks the exchange of all others, whose trainers then fail within seconds. Whose fault it was, none
of them can tell from its own trainer alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from job.pod.trainer import BAD_INPUT, LOST_OTHERS, how_it_ended
from job.record.attempt import Attempt
from job.record.causes import NODE_LOST, Cause, lost_in_words
from job.record.documents import NodeBeat
from job.record.no_answer import RECORD_AWAY

BEAT_SECONDS = 3.0
# A node whose trainer has failed says so within moments. One that runs beats several times in this long.
ANSWER_SECONDS = 15.0
POLL_SECONDS = 1.0

Fault = tuple[Cause, str]


@dataclass(frozen=True)
class Answer:
    """One node's heartbeats after the first node's trainer has failed."""

    rank: int
    first: NodeBeat | None
    newest: NodeBeat | None

    @property
    def has_ended(self) -> bool:
        """Whether the node has reported how its trainer ended."""
        return self.newest is not None and self.newest.state == "ended"


def whose_fault(attempt: Attempt, nodes: int, code: int, together: float | None = None) -> Fault | None:
    """Cause and reason of the first node's failure where that is another node's fault; None where it is its own.

    ``code`` is the exit code of the first node's trainer, ``together`` when the nodes last trained together (Unix
    seconds). Takes up to ANSWER_SECONDS.
    """
    if code == BAD_INPUT:
        return None
    answers = wait_for_answers(attempt, range(1, nodes))
    for is_guilty, fault in FAULTS:
        if guilty := [answer for answer in answers if is_guilty(answer, together)]:
            return fault(guilty, nodes)
    return None


def wait_for_answers(attempt: Attempt, ranks: range) -> list[Answer]:
    """Return what the nodes report once all have ended, or after ANSWER_SECONDS; nothing without the record."""
    until = time.monotonic() + ANSWER_SECONDS
    try:
        first = {rank: attempt.node_beat(rank) for rank in ranks}
        answers = [Answer(rank, first[rank], first[rank]) for rank in ranks]
        while time.monotonic() < until and not all(answer.has_ended for answer in answers):
            time.sleep(POLL_SECONDS)
            answers = [Answer(rank, first[rank], attempt.node_beat(rank)) for rank in ranks]
    except RECORD_AWAY:
        return []
    return answers


def _is_silent(answer: Answer, together: float | None) -> bool:
    return not answer.has_ended and answer.newest == answer.first


def _was_started_again(answer: Answer, together: float | None) -> bool:
    return together is not None and answer.newest is not None and answer.newest.began > together


def _has_crashed(answer: Answer, together: float | None) -> bool:
    beat = answer.newest
    return beat is not None and bool(beat.said) and beat.exit_code not in (None, 0, LOST_OTHERS)


def _silent(guilty: list[Answer], nodes: int) -> Fault:
    return NODE_LOST, lost_in_words([answer.rank for answer in guilty], nodes, "does not answer any more")


def _started_again(guilty: list[Answer], nodes: int) -> Fault:
    return NODE_LOST, lost_in_words([answer.rank for answer in guilty], nodes, "was started again")


def _crashed(guilty: list[Answer], nodes: int) -> Fault:
    rank, beat = guilty[0].rank, guilty[0].newest
    assert beat is not None and beat.exit_code is not None
    return "trainer failed", f"node {rank}: {how_it_ended(beat.exit_code, beat.said)}"


FAULTS: tuple[tuple[Callable[[Answer, float | None], bool], Callable[[list[Answer], int], Fault]], ...] = (
    (_is_silent, _silent),
    (_was_started_again, _started_again),
    (_has_crashed, _crashed),
)
"""What makes a node guilty, the gravest first, and the fault that follows from it."""
