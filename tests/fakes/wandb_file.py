"""Reads back what wandb keeps offline: its own records, in LevelDB's log format behind a header of seven bytes.

https://github.com/google/leveldb/blob/main/doc/log_format.md. wandb's Python once had a reader of its own.
"""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import PATIENCE_SECONDS

HEADER, BLOCK, RECORD = 7, 32768, 7
FULL, FIRST, LAST = 1, 2, 4


@dataclass
class OfflineRun:
    """What one .wandb file says of its run."""

    run_id: str = ""
    project: str = ""
    entity: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    alerts: list[tuple[str, str, str]] = field(default_factory=list)
    exit_code: int | None = None


def finished_offline_run(path: Path, seconds: float = PATIENCE_SECONDS) -> OfflineRun:
    """A file with its exit record: wandb's service may write on when a client whose process lives on has finished."""
    from google.protobuf.message import DecodeError

    deadline = time.monotonic() + seconds
    while True:
        try:
            run = read_offline_run(path)
        except (AssertionError, struct.error, DecodeError):  # it breaks off: there is more to come
            run = OfflineRun()
        if run.exit_code is not None:
            return run
        assert time.monotonic() < deadline, f"{path} has no exit record after {seconds:g} s"
        time.sleep(0.05)


def read_offline_run(path: Path) -> OfflineRun:
    """What is in a file now; fails on one that breaks off."""
    from wandb.proto.wandb_internal_pb2 import Record

    run = OfflineRun()
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        _add(run, record)
    return run


def _add(run: OfflineRun, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run.run_id, run.project, run.entity = record.run.run_id, record.run.project, record.run.entity
        run.tags = list(record.run.tags)
        run.config |= _items(record.run.config.update)
    elif kind == "config":
        run.config |= _items(record.config.update)
    elif kind == "history":
        run.history.append(_items(record.history.item))
    elif kind == "summary":
        run.summary |= _items(record.summary.update)
    elif kind == "alert":
        run.alerts.append((record.alert.title, record.alert.text, record.alert.level))
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B"
    at, parts = HEADER, [b""]
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < RECORD:  # padding
            at += left
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + RECORD : at + RECORD + length]
        assert len(part) == length
        at += RECORD + length
        parts = [part] if kind in (FULL, FIRST) else [*parts, part]
        if kind in (FULL, LAST):
            yield b"".join(parts)
