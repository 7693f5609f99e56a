"""Causes for which an attempt ends: a closed list, so that no policy reads the words of a reason.

A reason is a sentence for people and may change; a cause decides, for example whether the run continues by itself.
"""

from typing import Final, Literal

from infra.pods import Pod

OutcomeName = Literal["succeeded", "aborted", "failed", "stopped", "expired"]
Cause = Literal[
    "finished",
    "bad signs",
    "loop silent",
    "overdue",
    "deadline",
    "budget",
    "stop requested",
    "pod told to end",
    "trainer failed",
    "node lost",
    "stuck start",
    "agent silent",
    "agent failed",
    "restarts",
    "wrong nodes",
    "record away",
    "lost",
    "no pod",
]
STUCK: Final = "stuck start"
"""The container never began to run: another machine is taken."""
NODE_LOST: Final = "node lost"
"""One of several nodes is gone: the run continues from its newest checkpoint."""

OUTCOMES: Final[dict[Cause, OutcomeName]] = {
    "finished": "succeeded",
    "bad signs": "aborted",
    "loop silent": "aborted",
    "overdue": "aborted",
    "deadline": "expired",
    "budget": "expired",
    "stop requested": "stopped",
    "pod told to end": "stopped",
    "trainer failed": "failed",
    NODE_LOST: "failed",
    STUCK: "failed",
    "agent silent": "failed",
    "agent failed": "failed",
    "restarts": "failed",
    "wrong nodes": "failed",
    "record away": "failed",
    "lost": "failed",
    "no pod": "failed",
}
"""The outcome that each cause leads to."""


def stuck_in_words(pod: Pod, waited: float) -> str:
    """Return the reason of an attempt whose pod has not begun to run in ``waited`` seconds."""
    place = f" in {pod.data_center}" if pod.data_center else ""
    return f"stuck start: pod {pod.id}{place} has not begun to run in {waited:.0f} s"


def lost_in_words(ranks: list[int], nodes: int, what: str) -> str:
    """Return the reason of an attempt that has lost the nodes of these ranks; ``what`` says how that was seen."""
    return f"a node was lost: node {', '.join(map(str, ranks))} of {nodes} {what}"
