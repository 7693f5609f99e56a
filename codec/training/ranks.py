"""The processes that share a training: one for each GPU, started by torchrun, or a single one without it.

Every rank holds the same weights and codebooks, draws the same random numbers and does the same steps,
each on its own part of a batch. Rank 0 alone writes the run's record and speaks to people.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from codec.errors import BAD_INPUT, CRASHED, LOST_OTHERS, UserError, first_line, tell
from codec.training.stop import Stopped

# How long a rank waits for the others: that one decodes for an hour must not end the run. A rank that dies is
# noticed at once by torchrun, one that hangs by the watchdog.
TIMEOUT = timedelta(hours=2)
LOST = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")  # an exchange whose other end is gone

TELL = timedelta(seconds=10)
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)

T = TypeVar("T")


class Ranks:
    """This process's place among the others. A context, which joins the group and leaves it.

    An error is told once, by the rank that has it first; the others end with the same exit code, silently.
    """

    def __init__(self) -> None:
        """Read what torchrun says in the environment; without it this is the only process."""
        # Clusters set WORLD_SIZE for everything that runs in them; RANK comes from torchrun alone.
        launched = "RANK" in os.environ
        self.rank = int(os.environ["RANK"]) if launched else 0
        self.world = int(os.environ["WORLD_SIZE"]) if launched else 1
        self.local = int(os.environ["LOCAL_RANK"]) if launched else 0  # on this machine: the number of its GPU
        self._store: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the rank that keeps the record."""
        return self.rank == 0

    def __enter__(self) -> Self:
        if self.world > 1:
            _die_with_parent()
            # Tensors on the CPU go through gloo in any case: ranks then wait for each other without a GPU.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            try:
                self._store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
                dist.init_process_group(
                    backend, store=self._store, rank=self.rank, world_size=self.world, timeout=TIMEOUT
                )
                self._wait_for_all()
            except (dist.DistError, ValueError) as error:
                self._end_by(UserError(f"rank {self.rank} can't reach the others ({first_line(error)}): use torchrun"))
            except RuntimeError as error:  # gloo's own, from a rank that died while the others joined
                self._end_by(error)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.world == 1:
            return
        if error is None:
            self.gather(None)
            # torchrun sends SIGTERM to all as soon as one has left with another code than 0.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            dist.destroy_process_group()
        elif isinstance(error, Exception):
            self._end_by(error)

    def together(self, work: Callable[[], T]) -> T:
        """Do something on every rank. A UserError or Stopped on one of them is raised on all, after all have ended."""
        if self.world == 1:
            return work()
        failure: Exception | None = None
        try:
            result = work()
        except (UserError, Stopped) as error:
            failure = error
        failures = [theirs for theirs in self.gather(failure and (type(failure), str(failure))) if theirs]
        if failure is not None:
            raise failure
        if failures:
            kind, message = failures[0]
            raise kind(message)
        return result

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, by rank; waits for everybody."""
        if self.world == 1:
            return [value]
        values = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def share(self, value: T) -> T:
        """Rank 0's value."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def share_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with rank 0's."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def share_random_state(self, device: torch.device) -> None:
        """Let every rank draw the numbers that rank 0 draws next."""
        if self.world == 1:
            return
        cuda = device.type == "cuda"
        own = torch.get_rng_state(), torch.cuda.get_rng_state(device) if cuda else None
        state, cuda_state = self.share(own)
        torch.set_rng_state(state)
        if cuda_state is not None:
            torch.cuda.set_rng_state(cuda_state, device)

    def _wait_for_all(self) -> None:
        """Wait until each rank has joined. One that left before would break the others' joining, not their work."""
        if self._store.add("joined", 1) == self.world:
            self._store.set("all joined", "")
        self._store.wait(["all joined"], TIMEOUT)

    def _end_by(self, error: Exception) -> None:
        """Tell the error if no other rank has told one; SystemExit, unless it is a crash that is worth a traceback."""
        code = BAD_INPUT if isinstance(error, UserError) else LOST_OTHERS if _is_lost(error) else CRASHED
        told = self._code_of_who_told(code)
        if told is not None:
            raise SystemExit(told) from None
        if isinstance(error, UserError):
            tell(str(error))
        elif code == LOST_OTHERS:
            tell(f"rank {self.rank} has lost the others: {first_line(error)}")
        else:
            return
        if self._store is not None:
            with suppress(RuntimeError):
                self._store.set("told", str(code))
        raise SystemExit(code) from None

    def _code_of_who_told(self, own: int) -> int | None:
        """Exit code of the rank that was first, or this rank's own where that is not known; None if this is the first.

        The first rank has told its error when this returns: torchrun ends all when one leaves.
        """
        if self._store is None:
            return None
        try:
            if self._store.add("tellers", 1) == 1:
                return None
            self._store.wait(["told"], TELL)
            return int(self._store.get("told"))
        except RuntimeError:  # no word in time, or the store is gone with its host
            return own


def _die_with_parent() -> None:
    """Let the kernel kill this rank when torchrun is killed: it would train on, in a session of its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_lost(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)
    )
