"""Documents of a run's record: what each key holds. Each has one writer; docs/architecture.md lists the keys."""

import json
import time
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict

from job.record.causes import OUTCOMES, Cause, OutcomeName


class Document(BaseModel):
    """What every document is."""

    # A newer version may add fields; an older reader leaves them alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


VERSION = 2
"""Of the record. A change that an older reader would misread raises it; a new field does not."""


def _known_cause(value: object) -> object:
    return value if value in get_args(Cause) else None


KnownCause = Annotated[Cause | None, BeforeValidator(_known_cause)]
"""None for a cause that only a newer version of the record knows: its outcome stays readable."""


class Submission(Document):
    """spec.json: what was asked, written once."""

    version: int = VERSION
    submitted: float
    dataset: str
    clips: int | None = None
    """How many clips the dataset has, and how long they are in all; None in records of before."""
    seconds: float | None = None
    spec: dict[str, Any]


class Version(Document):
    """What is read of a spec.json first: nothing else of a newer record can be relied on."""

    version: int = VERSION


class Intent(Document):
    """intent.json: the client is about to create this pod."""

    launch_id: str
    pod_name: str
    deadline: float
    max_hours: float | None = None
    """What the pod keeps by its own clock; None in records of before. The other times are the store's."""
    time: float


class Claim(Document):
    """claim.json: the client knows this pod as the attempt's own."""

    launch_id: str
    pod_id: str
    price_per_hour: float
    gpu: str = ""
    """What the pod has, in words; empty where whoever wrote the claim did not know."""
    account: str | None = None
    """Whose pod it is, as the provider names the account; None where it does not say."""
    time: float


class StopRequest(Document):
    """stop.json: somebody outside asks the agent to end this attempt with this outcome."""

    outcome: OutcomeName
    cause: KnownCause = None
    reason: str
    by: str
    time: float

    def granted(self, by: str) -> "Outcome":
        """The outcome, now, of an attempt that ends as requested."""
        return Outcome(outcome=self.outcome, cause=self.cause, reason=self.reason, by=by, time=time.time())


class Beat(Document):
    """alive.json: the agent's own beat, with what it is doing."""

    state: Literal["starting", "syncing", "training", "stopping"]
    time: float
    synced: int | None = None
    """Bytes of the data that the pod has, while it fetches them."""
    to_sync: int | None = None
    """Bytes of all the data."""


class Progress(Document):
    """progress.json: the training loop's own beat."""

    step: int
    epoch: int
    phase: str
    time: float


class NodeBeat(Document):
    """nodes/<rank>.json: the beat of a node beside the first, and how its trainer has ended."""

    state: Literal["syncing", "training", "ended"]
    exit_code: int | None = None
    said: str = ""
    """The last error in its log."""
    began: float = 0.0
    """When this node began to take part, by its own clock: later for one that was started again."""
    time: float


class Outcome(Document):
    """outcome.json: how the attempt ended."""

    outcome: OutcomeName
    cause: KnownCause = None
    reason: str
    by: str
    time: float

    @classmethod
    def of(cls, cause: Cause, reason: str, by: str) -> "Outcome":
        """The outcome, now, of an attempt that ends for this cause."""
        return cls(outcome=OUTCOMES[cause], cause=cause, reason=reason, by=by, time=time.time())


D = TypeVar("D", bound=Document)


def encode(document: dict[str, Any]) -> bytes:
    """Return the bytes that the store holds of a document."""
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
