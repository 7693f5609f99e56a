"""A run's record in the store: who writes which key, and what is derived from them.

One writer per key; nothing is overwritten but beats, a stop request and the newest verdict. The run's state, its rows
and its newest checkpoint are derived by listing, never stored twice. docs/architecture.md lists the keys.
"""

import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from infra.store import NotFound, ObjectInfo, Store, StoreError
from job.errors import CannotTellError, UsageError
from job.record.causes import OUTCOMES, Cause, OutcomeName
from job.spec.load import check_spec
from job.spec.model import NAME_PATTERN, JobSpec
from job.verdict.rows import Row, parse

Kind = Literal["metrics", "log"]
LAST = "@last"
READ_AT_ONCE = 16


class _Document(BaseModel):
    # A newer version may add fields; an older reader leaves them alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


VERSION = 1
"""Of the record. A change that an older reader would misread raises it; a new field does not."""


def _known_cause(value: object) -> object:
    return value if value in get_args(Cause) else None


KnownCause = Annotated[Cause | None, BeforeValidator(_known_cause)]
"""None for a cause that only a newer version of the record knows: its outcome stays readable."""


class Submission(_Document):
    """spec.json: what was asked, written once."""

    version: int = VERSION
    submitted: float
    dataset: str
    clips: int | None = None
    """How many clips the dataset has, and how long they are in all; None in records of before."""
    seconds: float | None = None
    spec: dict[str, Any]


class _Version(_Document):
    version: int = VERSION


class Intent(_Document):
    """intent.json: the client is about to create this pod."""

    launch_id: str
    pod_name: str
    deadline: float
    time: float


class Claim(_Document):
    """claim.json: the client knows this pod as the attempt's own."""

    launch_id: str
    pod_id: str
    price_per_hour: float
    gpu: str = ""
    """What the pod has, in words; empty where whoever wrote the claim did not know."""
    time: float


class StopRequest(_Document):
    """stop.json: somebody outside asks the agent to end this attempt with this outcome."""

    outcome: OutcomeName
    cause: KnownCause = None
    reason: str
    by: str
    time: float

    def granted(self, by: str) -> "Outcome":
        """The outcome, now, of an attempt that ends as requested."""
        return Outcome(outcome=self.outcome, cause=self.cause, reason=self.reason, by=by, time=time.time())


class Beat(_Document):
    """alive.json: the agent's own beat, with what it is doing."""

    state: Literal["starting", "syncing", "training", "stopping"]
    time: float
    synced: int | None = None
    """Bytes of the data that the pod has, while it fetches them."""
    to_sync: int | None = None
    """Bytes of all the data."""


class Progress(_Document):
    """progress.json: the training loop's own beat."""

    step: int
    epoch: int
    phase: str
    time: float


class NodeBeat(_Document):
    """nodes/<rank>.json: the beat of a node beside the first, and how its trainer has ended."""

    state: Literal["syncing", "training", "ended"]
    exit_code: int | None = None
    said: str = ""
    """The last error in its log."""
    began: float = 0.0
    """When this node began to take part, by its own clock: later for one that was started again."""
    time: float


class Outcome(_Document):
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


D = TypeVar("D", bound=_Document)


@dataclass(frozen=True)
class CheckpointRef:
    """A complete checkpoint in the store."""

    attempt: int
    step: int
    prefix: str
    written: float = field(default=0.0, compare=False)
    """When its manifest came, Unix seconds by the store's clock."""


class Attempt:
    """One attempt's part of the record."""

    def __init__(self, store: Store, run_id: str, number: int, pieces: dict[str, bytes] | None = None) -> None:
        self.store = store
        self.run_id = run_id
        self.number = number
        self._pieces = {} if pieces is None else pieces
        self.prefix = f"runs/{run_id}/attempts/{number}"

    def intent(self) -> Intent | None:
        """What the client was about to create."""
        return self._read("intent.json", Intent)

    def claim(self) -> Claim | None:
        """The pod that belongs to this attempt."""
        return self._read("claim.json", Claim)

    def stop_request(self) -> StopRequest | None:
        """The request to end, if there is one."""
        return self._read("stop.json", StopRequest)

    def beat(self) -> Beat | None:
        """The agent's newest beat."""
        return self._read("alive.json", Beat)

    def progress(self) -> Progress | None:
        """The training loop's newest beat."""
        return self._read("progress.json", Progress)

    def node_beat(self, rank: int) -> NodeBeat | None:
        """The newest beat of a node beside the first."""
        return self._read(f"nodes/{rank}.json", NodeBeat)

    def node_log(self, rank: int) -> bytes:
        """The end of the log of a node beside the first; empty before it has written any."""
        try:
            return self.store.get(f"{self.prefix}/nodes/{rank}.log")
        except NotFound:
            return b""

    def outcome(self) -> Outcome | None:
        """How the attempt ended, once it has."""
        return self._read("outcome.json", Outcome)

    def verdict(self) -> dict[str, Any] | None:
        """The agent's newest verdict."""
        try:
            return dict(json.loads(self.store.get(f"{self.prefix}/verdict.json")))
        except NotFound:
            return None

    def write_once(self, name: str, document: _Document) -> bool:
        """Writes a document that may never change; False if somebody was first."""
        return self.store.create(f"{self.prefix}/{name}", _encode(document.model_dump()))

    def write(self, name: str, document: _Document | dict[str, Any]) -> None:
        """Writes a document that its one writer replaces: a beat, a stop request, the newest verdict."""
        data = document.model_dump() if isinstance(document, _Document) else document
        self.store.put(f"{self.prefix}/{name}", _encode(data))

    def note(self, what: str, by: str, **details: Any) -> None:
        """Appends to the audit trail."""
        now = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"
        event = {"what": what, "by": by, "time": now, **details}
        self.store.create(f"{self.prefix}/events/{stamp}-{secrets.token_hex(4)}.json", _encode(event))

    def events(self) -> list[dict[str, Any]]:
        """The audit trail, oldest first."""
        events = [self._event(info.key) for info in self.store.list(f"{self.prefix}/events/")]
        return sorted(events, key=lambda event: float(event["time"]))  # keys of one millisecond are in no order

    def _event(self, key: str) -> dict[str, Any]:
        try:
            event = dict(json.loads(self.store.get(key)))
            return event | {"what": str(event["what"]), "by": str(event["by"]), "time": float(event["time"])}
        except (ValueError, TypeError, KeyError) as error:
            raise CannotTellError(f"{self.store.url}: {key} cannot be read: it is no event of codecjob") from error

    def segments(self, kind: Kind, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """The pieces of the rows or of the log, in order, from sequence number ``after`` + 1 on.

        Only the last one still grows. Several are fetched at once, and none again that has not grown.
        """
        wanted = [(number, info) for number, info in self.listed(kind) if number > after]
        batch = 1
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            while wanted:
                # The first alone: some only want to know how it begins.
                now, wanted = wanted[:batch], wanted[batch:]
                batch = READ_AT_ONCE
                yield from zip((number for number, _ in now), pool.map(self._piece, (i for _, i in now)), strict=True)

    def last_sequence(self, kind: Kind) -> int:
        """The number of the last piece; 0 before the first."""
        return max((number for number, _ in self.listed(kind)), default=0)

    def add_segment(self, kind: Kind, sequence: int, data: bytes, known: int = 0) -> None:
        """Writes a piece, or writes it again because it has grown beyond the ``known`` bytes that the record has.

        Raises StoreError if somebody else's has this number.
        """
        key = f"{self.prefix}/{kind}/{sequence:08d}"
        if known == 0:
            if self.store.create(key, data):
                return
            # Our own, if an answer was lost.
            if not data.startswith(self.store.get(key)):
                where = f"{key} in {self.store.url}"
                raise StoreError(f"{where} was written by somebody else: is the attempt running twice?")
        self.store.put(key, data)

    def listed(self, kind: Kind) -> Iterator[tuple[int, ObjectInfo]]:
        """The numbers of the pieces with what the store says of them, in no order."""
        for info in self.store.list(f"{self.prefix}/{kind}/"):
            name = info.key.rsplit("/", 1)[1]
            if name.isdecimal():  # others may have left files in a folder or a bucket
                yield int(name), info

    def _piece(self, info: ObjectInfo) -> bytes:
        known = self._pieces.get(info.key)
        if known is None or len(known) != info.size:  # what is only ever added to is the same if it is as long
            known = self._pieces[info.key] = self.store.get(info.key)
        return known

    def checkpoints(self) -> list[CheckpointRef]:
        """The complete checkpoints that a resume may restore, oldest first."""
        prefix = f"{self.prefix}/checkpoints/"
        found = []
        for info in self.store.list(prefix):
            step, _, file = info.key.removeprefix(prefix).partition("/")
            if step.isdecimal() and file == "manifest.json":
                found.append(CheckpointRef(self.number, int(step), f"{prefix}{step}", info.modified))
        return found

    def _read(self, name: str, kind: type[D]) -> D | None:
        key = f"{self.prefix}/{name}"
        try:
            return kind.model_validate_json(self.store.get(key))
        except NotFound:
            return None
        except ValidationError as error:
            raise CannotTellError(f"{self.store.url}: {key} cannot be read: {error.errors()[0]['msg']}") from error


class Run:
    """A run's record."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self._pieces: dict[str, bytes] = {}
        """Pieces of rows and logs that were read, by key: a record that is looked at again and again is read once."""
        self._submission: Submission | None = None
        self._spec: JobSpec | None = None

    def submission(self) -> Submission:
        """What was asked. It is written once, and read once."""
        if self._submission is None:
            self._submission = self._read_submission()
        return self._submission

    def _read_submission(self) -> Submission:
        key = f"runs/{self.run_id}/spec.json"
        try:
            data = self.store.get(key)
            # First of all: nothing else of a newer record can be relied on.
            if (version := _Version.model_validate_json(data).version) > VERSION:
                raise CannotTellError(
                    f"{self.store.url}: {key} was written by a newer codecjob (version {version} of the record; this "
                    f"one reads {VERSION}): upgrade codecjob on this machine"
                )
            return Submission.model_validate_json(data)
        except (NotFound, ValidationError) as error:
            raise CannotTellError(f"{self.store.url}: {key} cannot be read: the record is not complete") from error

    def spec(self) -> JobSpec:
        """The spec as it was resolved at submit."""
        if self._spec is None:
            self._spec = check_spec(self.submission().spec, f"runs/{self.run_id}/spec.json")
        return self._spec

    def create(self, submission: Submission) -> None:
        """Writes spec.json; the run exists from here on."""
        if not self.store.create(f"runs/{self.run_id}/spec.json", _encode(submission.model_dump())):
            raise UsageError(f"run {self.run_id} exists already: submit again for a name of its own")

    def attempt(self, number: int) -> Attempt:
        """One attempt, whether it exists yet or not."""
        return Attempt(self.store, self.run_id, number, self._pieces)

    def attempts(self) -> list[Attempt]:
        """The attempts, oldest first."""
        numbers = sorted(int(name) for name in self.store.folders(f"runs/{self.run_id}/attempts/") if name.isdecimal())
        return [self.attempt(number) for number in numbers]

    def rows(self, attempts: Iterable[Attempt] | None = None) -> list[Row]:
        """The rows of all attempts, as the checklist takes them."""
        rows: list[Row] = []
        for attempt in self.attempts() if attempts is None else attempts:
            data = b"".join(piece for _, piece in attempt.segments("metrics"))
            first = rows[-1].attempt + 1 if rows else 1
            rows += parse(data, first).rows
        return rows

    def checkpoints(self) -> list[CheckpointRef]:
        """The complete checkpoints of all attempts, in the order in which a resume tries them: most steps first."""
        found = [ref for attempt in self.attempts() for ref in attempt.checkpoints()]
        return sorted(found, key=lambda ref: (ref.step, ref.attempt), reverse=True)

    def newest_checkpoint(self) -> CheckpointRef | None:
        """What a resume restores if it verifies."""
        return next(iter(self.checkpoints()), None)


def new_run_id(name: str) -> str:
    """``<name>-<UTC date>-<UTC time>-<fraction of the second>``: readable, and in the order of submission.

    Nothing random: a collision is as rare, and `Run.create` refuses it.
    """
    now = time.time()
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 0x10000):04x}"


def list_runs(store: Store) -> list[str]:
    """Every run in the store, oldest first."""
    run_ids = [name for name in store.folders("runs/") if _RUN_ID.fullmatch(name)]
    return sorted(run_ids, key=submission_order)


def submission_order(run_id: str) -> list[str]:
    """Sorts the names of runs by the time of their submission."""
    return run_id.rsplit("-", 3)[1:]


class NoSuchRunError(UsageError):
    """No run of this name in this store."""


def find_run(store: Store, wanted: str) -> Run:
    """The run of an unambiguous prefix, or of ``@last``.

    Raises:
        NoSuchRunError: there is none.
        UsageError: there is more than one.
    """
    runs = list_runs(store)
    if not runs:
        raise NoSuchRunError(f"no runs in {store.url} yet: start one with `codecjob submit SPEC`")
    if wanted == LAST:
        return Run(store, runs[-1])
    matches = [wanted] if wanted in runs else [run_id for run_id in runs if run_id.startswith(wanted)]
    if len(matches) == 1:
        return Run(store, matches[0])
    if not matches:
        raise NoSuchRunError(f"no run {wanted!r} in {store.url}: `codecjob status` lists them")
    newest = ", ".join(reversed(matches[-3:]))
    raise UsageError(f"{wanted!r} means {len(matches)} runs, the newest {newest}: type more of the name, or {LAST}")


_RUN_ID = re.compile(rf"{NAME_PATTERN}-\d{{8}}-\d{{6}}-[0-9a-f]{{4}}")


def _encode(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
