"""What the nodes of an attempt learn of each other through the record, so that one can say why all have ended.

A node that is gone breaks the exchange of all others, whose trainers then fail within seconds. Whose fault it was, none
of them can tell from its own trainer alone.
"""

import time

from job.pod.trainer import how_it_ended
from job.record.causes import NODE_LOST, Cause, lost_in_words
from job.record.no_answer import RECORD_AWAY
from job.record.run import Attempt, NodeBeat

BEAT_SECONDS = 3.0
# A node whose trainer has failed says so within moments. One that lives beats several times in this long.
ANSWER_SECONDS = 15.0
POLL_SECONDS = 1.0
# What the trainer says, in its own words, of an exchange whose other end is gone.
LOST_OTHERS = "has lost the others"
# and of one of its processes that has been ended: by NCCL, which found the other end gone, or by the kernel.
KILLED = "was killed by"


def whose_fault(
    attempt: Attempt, nodes: int, own_error: str, together: float | None = None
) -> tuple[Cause, str] | None:
    """Cause and reason of the first node's failure where that is another node's fault; None where it is its own.

    A node is lost if it neither has said how its trainer ended nor beats any more, or if its container has been started
    again since the nodes last trained ``together`` (Unix seconds). Takes up to ANSWER_SECONDS.
    """
    if own_error.startswith("error:") and not any(sign in own_error for sign in (LOST_OTHERS, KILLED)):
        return None
    until = time.monotonic() + ANSWER_SECONDS
    others = range(1, nodes)
    try:
        first = {rank: attempt.node_beat(rank) for rank in others}
        newest = dict(first)
        while time.monotonic() < until and not all(map(_has_ended, newest.values())):
            time.sleep(POLL_SECONDS)
            newest = {rank: attempt.node_beat(rank) for rank in others}
    except RECORD_AWAY:
        return None
    silent = [rank for rank in others if not _has_ended(newest[rank]) and newest[rank] == first[rank]]
    if silent:
        return NODE_LOST, lost_in_words(silent, nodes, "does not answer any more")
    again = [rank for rank, beat in newest.items() if together is not None and beat and beat.began > together]
    if again:
        return NODE_LOST, lost_in_words(again, nodes, "was started again")
    for rank, beat in newest.items():
        if beat is not None and beat.exit_code and beat.said and LOST_OTHERS not in beat.said:
            return "trainer failed", f"node {rank}: {how_it_ended(beat.exit_code, beat.said)}"
    return None


def _has_ended(beat: NodeBeat | None) -> bool:
    return beat is not None and beat.state == "ended"
