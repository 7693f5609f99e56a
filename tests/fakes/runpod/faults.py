"""What the fake can be told to do wrong."""

import re
from dataclasses import dataclass, field


@dataclass
class Fault:
    """A wrong answer to the next `times` calls of a method and path (a regular expression, without /v2)."""

    method: str
    path: str
    times: int = 1
    skip: int = 0
    """How many calls go right before."""
    status: int | None = 500
    """None: no answer at all."""
    detail: str = "something went wrong"
    after: bool = False
    """Whether the call does its work first: a pod made, and nobody told."""
    retry_after: int | None = None
    page: str | None = None
    """A page of whatever stands before RunPod, instead of RunPod's own answer."""
    silent_seconds: float = 0.0
    """Without a status: how long the server keeps the connection before it drops it."""
    pod_key_only: bool = False
    """Whether it hits only calls with a pod's own key."""


@dataclass
class Faults:
    """All that goes wrong now, beside what stock and balance refuse."""

    answers: list[Fault] = field(default_factory=list)
    stuck_data_centers: set[str] = field(default_factory=set)
    """Where a pod says RUNNING and never starts."""
    stuck_next: int = 0
    """How many of the next pods do so, wherever they are."""
    missing_images: set[str] = field(default_factory=set)
    """Images that no registry has: accepted, billed, and never started."""
    cut_logs_after: list[int] = field(default_factory=list)
    """After how many events each of the next log streams breaks."""

    def add(self, fault: Fault) -> None:
        """Behind those that are told already."""
        self.answers.append(fault)

    def take(self, method: str, path: str, with_pod_key: bool) -> Fault | None:
        """The first that hits a call; it is one time fewer then."""
        for fault in self.answers:
            hits = fault.method == method and re.fullmatch(fault.path, path)
            if fault.times < 1 or not hits or (fault.pod_key_only and not with_pod_key):
                continue
            if fault.skip < 1:
                fault.times -= 1
                return fault
            fault.skip -= 1
        return None
