"""Pods that are processes of this machine, each in a folder of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.files import write_atomic
from infra.pods import processes
from infra.pods.base import (
    ANY_MACHINE,
    LAUNCH_ID_VARIABLE,
    NODES_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    WORKSPACE_VARIABLE,
    CannotTell,
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoCapacity,
    Offer,
    Pod,
    PodState,
    ProviderError,
)
from infra.pods.processes import boot_id, machine_id

HOME_VARIABLE = "CODECJOB_HOME"
CHUNK_BYTES = 1 << 16
POD_ID = "local-ID"
"""Stands for an id that nobody has given yet."""


def _inherited() -> dict[str, str]:
    """This user's environment, without what Slurm or another cluster may say in it of nodes: a pod here is one."""
    return {name: value for name, value in os.environ.items() if name != NODES_VARIABLE}


@dataclass(frozen=True, slots=True)
class _Record:
    """pod.json: what is known before the pod's process starts."""

    id: str
    name: str
    run_id: str
    attempt: int
    launch_id: str
    created: float
    machine_id: str
    boot_id: str
    host: str

    def pod(self, state: PodState) -> Pod:
        return Pod(self.id, self.name, self.run_id, self.attempt, self.launch_id, state, 0.0, self.created)


class LocalProvider:
    """Pods below $CODECJOB_HOME/pods (~/.codecjob/pods): <pod id>/{pod.json, pid.json, lock, workspace/, output.log}.

    A pod is listed while one of its processes lives; the folder of one that died by itself stays, for its log, until
    `terminate`. See `infra.pods.base.Provider` for the promises.
    """

    name = "local"
    settle_seconds = 0.0
    GRACE_SECONDS = 5.0

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home or Path(os.environ.get(HOME_VARIABLE) or "~/.codecjob")).expanduser().absolute()

    def account(self) -> str:
        """See `TellsAccount.account`: this machine and the folder of its pods."""
        return f"{machine_id()}:{self.home}"

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        """See `Provider.offers`."""
        return [Offer(provider=self.name, gpu="this machine", price_per_hour=0.0, available=True)]

    def preview(self, request: LaunchRequest) -> dict[str, Any]:
        """See `Provider.preview`: the process to start; of its environment the names beside this user's own."""
        env = self._environment(request, POD_ID, self._pods / POD_ID)
        return {"command": list(request.command), "folder": str(self._pods / POD_ID), "environment": sorted(env)}

    def launch(self, request: LaunchRequest) -> Pod:
        """See `Provider.launch`."""
        if not request.command:
            raise InvalidRequest(f"pod {request.name}: the command is empty; name a program to run")
        record = _Record(
            id=f"local-{uuid.uuid4().hex[:12]}",
            name=request.name,
            run_id=request.run_id,
            attempt=request.attempt,
            launch_id=request.launch_id,
            created=time.time(),
            machine_id=machine_id(),
            boot_id=boot_id(),
            host=socket.gethostname(),
        )
        folder = self._folder(record.id)
        try:
            (folder / "workspace").mkdir(parents=True)
            # Held until the process carries its stamp, also if this client dies in between: see `_is_launching`.
            with _locked(folder):
                _write_json(folder / "pod.json", asdict(record))
                process = self._start(request, record.id, folder)
                # Only a shortcut: without it the pod is found by its stamp.
                with suppress(OSError, psutil.Error):
                    started = psutil.Process(process.pid).create_time()
                    _write_json(folder / "pid.json", {"pid": process.pid, "started": started})
        except ProviderError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ProviderError(
                f"cannot make the folder of pod {request.name}: {folder}: {error.strerror}; check ${HOME_VARIABLE}"
            ) from error
        # A client that lives on collects the exit code, so that no zombie stays; one that dies leaves that to init.
        threading.Thread(target=process.wait, name=f"wait-{record.id}", daemon=True).start()
        return record.pod(PodState.RUNNING)

    def find(self, run_id: str | None) -> list[Pod]:
        """See `Provider.find`."""
        records = [record for record in self._records() if run_id in (None, record.run_id)]
        for record in records:
            self._check_reach(record)
        records = [record for record in records if record.boot_id == boot_id()]
        # First: what is not being launched now has its stamp by the time the processes are looked at.
        launching = {record.id for record in records if self._is_launching(record.id)}
        leaderless = [record.id for record in records if not self._leader_lives(record.id)]
        living = processes.living_pods() if leaderless else set()

        pods = []
        for record in records:
            if record.id not in leaderless or record.id in living:
                pods.append(record.pod(PodState.RUNNING))
            elif record.id in launching:
                pods.append(record.pod(PodState.STARTING))
        return sorted(pods, key=lambda pod: (pod.created or 0.0, pod.id))

    def terminate(self, pod_id: str) -> None:
        """See `Provider.terminate`. From inside the pod it ends all but the caller and the caller's ancestors."""
        folder = self._folder(pod_id)
        record = _read_record(folder)
        if record is not None:
            self._check_reach(record)
        try:
            with _locked(folder):
                if left := processes.end(pod_id, self.GRACE_SECONDS):
                    pids = ", ".join(str(process.pid) for process in left)
                    raise ProviderError(f"pod {pod_id} still has processes after SIGKILL: {pids}; end them by hand")
                shutil.rmtree(folder)
        except FileNotFoundError:
            return  # gone already, or somebody else was faster
        except OSError as error:
            raise ProviderError(f"cannot remove {folder}: {error.strerror}; remove it by hand") from error

    def logs(self, pod_id: str) -> Iterator[bytes]:
        """See `Provider.logs`: what the pod's processes wrote to stdout and stderr."""
        try:
            file = (self._folder(pod_id) / "output.log").open("rb")
        except FileNotFoundError:
            return
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def _start(self, request: LaunchRequest, pod_id: str, folder: Path) -> subprocess.Popen[bytes]:
        with (folder / "output.log").open("ab") as output:
            try:
                return subprocess.Popen(
                    request.command,
                    env={**_inherited(), **self._environment(request, pod_id, folder)},
                    cwd=folder / "workspace",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except BlockingIOError as error:
                raise NoCapacity(f"cannot start pod {request.name}: this user may start no more processes") from error
            except (OSError, ValueError) as error:
                raise InvalidRequest(f"cannot start pod {request.name}: {request.command[0]!r}: {error}") from error

    def _environment(self, request: LaunchRequest, pod_id: str, folder: Path) -> dict[str, str]:
        """What the pod's process finds beside the environment of whoever starts it."""
        return {
            **request.env,
            POD_ID_VARIABLE: pod_id,
            LAUNCH_ID_VARIABLE: request.launch_id,
            PROVIDER_VARIABLE: self.name,
            WORKSPACE_VARIABLE: str(folder / "workspace"),
            # Spelled out: a relative path would mean something else in the pod's working directory.
            HOME_VARIABLE: str(self.home),
        }

    @property
    def _pods(self) -> Path:
        return self.home / "pods"

    def _folder(self, pod_id: str) -> Path:
        if not re.fullmatch(r"local-[0-9a-f]{12}", pod_id):
            raise InvalidRequest(f"{pod_id!r} is no id of a local pod; they look like local-0123456789ab")
        return self._pods / pod_id

    def _records(self) -> list[_Record]:
        try:
            folders = list(self._pods.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CannotTell(f"cannot list pods in {self.home}: {error.strerror}; check ${HOME_VARIABLE}") from error
        return [record for folder in folders if (record := _read_record(folder))]

    def _check_reach(self, record: _Record) -> None:
        if record.machine_id != machine_id():
            raise CannotTell(
                f"pod {record.id} of run {record.run_id} was started on {record.host}: only that machine can tell "
                f"whether it lives; ask there, or remove {self._folder(record.id)} if that machine is no more"
            )

    def _is_launching(self, pod_id: str) -> bool:
        """Whether the launching client, or its child before it carries the stamp, is still at work."""
        folder = self._folder(pod_id)
        try:
            with (folder / "lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return not (folder / "pid.json").exists()  # with it the lock is held by `terminate`
        except FileNotFoundError:
            return False
        return False

    def _leader_lives(self, pod_id: str) -> bool:
        """Cheap: spares the look at all processes as long as the first one lives."""
        try:
            leader = json.loads((self._folder(pod_id) / "pid.json").read_text())
            process = psutil.Process(leader["pid"])
            return process.create_time() == leader["started"] and processes.stamp(process) == pod_id
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return False


def _read_record(folder: Path) -> _Record | None:
    """None where nothing has been started, or all has been ended: pod.json is there before the process."""
    try:
        return _Record(**json.loads((folder / "pod.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CannotTell(f"cannot read {folder / 'pod.json'}: {error}; repair it, or remove the folder") from error


def _write_json(path: Path, fields: dict[str, object]) -> None:
    write_atomic(path, [json.dumps(fields).encode()])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when the holder dies. Raises FileNotFoundError for no folder."""
    with (folder / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
