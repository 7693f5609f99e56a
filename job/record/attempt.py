"""One attempt's part of a run's record: its documents, events, rows, log and checkpoints."""

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from infra.store import NotFound, ObjectInfo, Store, StoreError
from job.errors import CannotTellError
from job.printable import printable_document
from job.record.documents import Beat, Claim, D, Document, Intent, NodeBeat, Outcome, Progress, StopRequest, encode

Kind = Literal["metrics", "log"]
READ_AT_ONCE = 16
ORDERS = ("intent.json", "claim.json", "stop.json")
"""What clients alone write: it lies where the credentials and mounts of a pod let it read, and not write."""


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
        self.orders = f"runs/{run_id}/orders/{number}"

    def intent(self) -> Intent | None:
        """What the client was about to create."""
        return self._order("intent.json", Intent)

    def claim(self) -> Claim | None:
        """The pod that belongs to this attempt."""
        return self._order("claim.json", Claim)

    def stop_request(self) -> StopRequest | None:
        """The request to end, if there is one."""
        return self._order("stop.json", StopRequest)

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
            return dict(printable_document(json.loads(self.store.get(f"{self.prefix}/verdict.json"))))
        except (NotFound, ValueError, TypeError, RecursionError):
            return None

    def write_once(self, name: str, document: Document) -> bool:
        """Writes a document that may never change; False if somebody was first."""
        return self.store.create(self.key(name), encode(document.model_dump()))

    def conclude(self, outcome: Outcome) -> bool:
        """Writes the outcome of an attempt whose pod is gone; False if there is one that can be read."""
        if self.write_once("outcome.json", outcome):
            return True
        if self.outcome() is not None:
            return False
        self.write("outcome.json", outcome)  # what a pod has left there says nothing
        return True

    def write(self, name: str, document: Document | dict[str, Any]) -> None:
        """Writes a document that its one writer replaces: a beat, a stop request, the newest verdict."""
        data = document.model_dump() if isinstance(document, Document) else document
        self.store.put(self.key(name), encode(data))

    def note(self, what: str, by: str, **details: Any) -> None:
        """Appends to the audit trail."""
        now = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"
        event = {"what": what, "by": by, "time": now, **details}
        self.store.create(f"{self.prefix}/events/{stamp}-{secrets.token_hex(4)}.json", encode(event))

    def events(self) -> list[dict[str, Any]]:
        """The audit trail, oldest first."""
        found = (self._event(info.key) for info in self.store.list(f"{self.prefix}/events/"))
        events = [event for event in found if event is not None]
        return sorted(events, key=lambda event: float(event["time"]))  # keys of one millisecond are in no order

    def _event(self, key: str) -> dict[str, Any] | None:
        """None for what is no event: a pod may have left it there."""
        try:
            event = dict(printable_document(json.loads(self.store.get(key))))
            return event | {"what": str(event["what"]), "by": str(event["by"]), "time": float(event["time"])}
        except (NotFound, ValueError, TypeError, KeyError, RecursionError):
            return None

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

    def key(self, name: str) -> str:
        """Where a document lies: orders where no pod can write, all else in the pod's own part."""
        return f"{self.orders if name in ORDERS else self.prefix}/{name}"

    def _read(self, name: str, kind: type[D]) -> D | None:
        """A pod's document. One that cannot be read is silence: a pod must not gain anything by garbage."""
        try:
            return kind.model_validate(printable_document(json.loads(self.store.get(self.key(name)))))
        except (NotFound, ValueError, RecursionError):
            return None

    def _order(self, name: str, kind: type[D]) -> D | None:
        """A client's document. Raises CannotTellError where it cannot be read."""
        key = self.key(name)
        try:
            return kind.model_validate_json(self.store.get(key))
        except NotFound:
            return None
        except ValidationError as error:
            raise CannotTellError(f"{self.store.url}: {key} cannot be read: {error.errors()[0]['msg']}") from error
