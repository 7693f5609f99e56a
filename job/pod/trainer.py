"""The trainer as a process: started by its command line, stopped by its stop file, then by signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from job.run.pod_env import GPUS_VARIABLE, Place
from job.run.wandb_access import run_env
from job.spec.model import JobSpec, ranks_per_node

STOP_FILE = "stop.json"
STOPPED_ON_REQUEST = 3
BAD_INPUT = 2
LOST_OTHERS = 4
# From the request: time for a step, a validation at worst, and a checkpoint; then SIGTERM, then SIGKILL.
ASK_SECONDS = 40.0
# A loop that was found hung has had its time. One that can still answer is at the end of a step by now.
HUNG_ASK_SECONDS = 10.0
TERM_SECONDS = 5.0
# The trainer writes the stacks of all its threads into its log on this signal.
DUMP_SIGNAL = signal.SIGUSR1
DUMP_SECONDS = 1.0
# How long a node waits for the others: each fetches the data by itself.
MEET_SECONDS = 3600


def command(spec: JobSpec, run_id: str, data: Path, folder: Path, place: Place | None) -> list[str]:
    """The command line of one node's trainer: a process for each of its GPUs, by torchrun where they are several."""
    flags = ["train", "--data_dir", str(data), "--checkpoint_dir", str(folder)]
    if spec.train.experiment_name is None:
        flags += ["--experiment_name", run_id]
    flags += [*spec.train.flags(), *spec.wandb.flags()]
    # A GPU that is paid for is used, or the trainer fails at once: on the CPU it would train at the GPU's price.
    if spec.train.device in (None, "auto") and int(os.environ.get(GPUS_VARIABLE) or 0) > 0:
        flags += ["--device", "cuda"]
    ranks = ranks_per_node(spec)
    if place is None and ranks == 1:
        return [sys.executable, "-P", "-m", "codec", *flags]
    launch = [sys.executable, "-P", "-m", "codec.launch", f"--nproc-per-node={ranks}"]
    if place is None:
        return [*launch, "--standalone", *flags]
    # A static rendezvous: a cluster's nodes know each other's places, and have no other way to meet.
    meeting = [
        f"--nnodes={place.nodes}",
        f"--node-rank={place.rank}",
        f"--master-addr={place.master_addr}",
        f"--master-port={place.master_port}",
        f"--rdzv-conf=timeout={MEET_SECONDS}",
    ]
    return [*launch, *meeting, *flags]


def environment(spec: JobSpec, run_id: str) -> dict[str, str]:
    """The trainer's environment. Python processes that torch and wandb start import nothing from the workspace."""
    return {**os.environ, "PYTHONSAFEPATH": "1", **run_env(spec, run_id)}


class Trainer:
    """One training process, or the launcher of several, and the way it is asked to end."""

    def __init__(
        self, spec: JobSpec, run_id: str, data: Path, folder: Path, log: Path, place: Place | None = None
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STOP_FILE).unlink(missing_ok=True)  # an older request is not meant for this attempt
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command(spec, run_id, data, folder, place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(spec, run_id),
            )
        self.asked_at: float | None = None
        self.terminated = False
        self.patience = ASK_SECONDS

    def exit_code(self) -> int | None:
        """The process's exit code once it has ended; negative is the signal that ended it."""
        return self.process.poll()

    def ask_to_stop(self, reason: str) -> None:
        """Asks for a stop at a step's end, with a checkpoint."""
        self.asked_at = time.monotonic()
        temporary = self.folder / f".{STOP_FILE}"
        temporary.write_text(json.dumps({"reason": reason}))
        temporary.replace(self.folder / STOP_FILE)

    def wake_and_dump(self) -> int:
        """Has every process of a hung trainer write its stacks into the log; returns how many could be asked.

        They are woken first: one that was only stopped can then answer, and obey the request to stop. The signal goes
        only to those that have a handler for it, since it would end any other.
        """
        asked = 0
        with suppress(psutil.Error):
            trainer = psutil.Process(self.process.pid)
            for process in [trainer, *trainer.children(recursive=True)]:
                with suppress(psutil.Error):
                    handles = _handles(process.pid, DUMP_SIGNAL)
                    if handles:
                        process.send_signal(DUMP_SIGNAL)
                    process.send_signal(signal.SIGCONT)
                    asked += handles
        if asked:
            time.sleep(DUMP_SECONDS)
        self.patience = HUNG_ASK_SECONDS
        return asked

    def press(self) -> str | None:
        """Uses signals once the request has gone unheard for too long; says so when it does."""
        if self.asked_at is None:
            return None
        waited = time.monotonic() - self.asked_at
        if waited > self.patience + TERM_SECONDS:
            self.process.kill()
            return f"the trainer did not stop within {waited:.0f} s: killed"
        if waited > self.patience and not self.terminated:
            # Once: the trainer answers the first with a checkpoint, and a second ends it at once.
            self.terminated = True
            self.process.terminate()
        return None


def how_it_ended(code: int, last_line: str) -> str:
    """One sentence about an exit code that is not 0."""
    if code < 0:
        named = -code in {each.value for each in signal.Signals}
        killed = f"the trainer was killed by {signal.Signals(-code).name if named else f'signal {-code}'}"
        return f"{killed} (out of memory?)" if -code == signal.SIGKILL else killed
    if code == BAD_INPUT:
        return last_line.removeprefix("error:").strip() or "the trainer refused its input"
    return f"the trainer crashed with exit code {code}: {last_line}{whose_fault(last_line)}"


HOST_FAULTS = re.compile(
    r"uncorrectable ECC|unspecified launch failure|GPU is lost|fallen off the bus|hardware stack error|NVLink error"
    r"|device\(s\) is/are busy or unavailable|device unavailable|system not yet initialized|unknown error",
    re.IGNORECASE,
)
PROGRAM_FAULTS = re.compile(
    r"illegal memory access|device-side assert|misaligned address|illegal instruction|no kernel image|program counter",
    re.IGNORECASE,
)


def whose_fault(error: str) -> str:
    """What an error of CUDA says of the machine and of the program; "" for any other."""
    if HOST_FAULTS.search(error):
        return "; the GPU or its host is faulty: resume in another data center"
    return "; an error of the program, most likely, and not of the machine" if PROGRAM_FAULTS.search(error) else ""


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)
