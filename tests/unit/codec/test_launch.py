from signal import SIGABRT, SIGKILL, SIGSEGV, SIGTERM

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from codec.launch import _first_failure


def ended(*ends: tuple[int, int]) -> ChildFailedError:
    """Exit codes of ranks 0, 1, ... and the seconds at which torchrun has seen them."""
    failures = {}
    for rank, (code, seconds) in enumerate(ends):
        failures[rank] = ProcessFailure(local_rank=rank, pid=100 + rank, exitcode=code, error_file="")
        failures[rank].timestamp = seconds
    return ChildFailedError("train", failures)


@pytest.mark.parametrize(
    ("ends", "first"),
    [
        ([(4, 5), (-SIGKILL, 5)], 1),  # rank 0 has lost rank 1
        ([(1, 5), (-SIGKILL, 5)], 1),
        ([(1, 5), (-SIGSEGV, 6)], 1),
        ([(1, 5), (-SIGTERM, 5)], 0),  # torchrun has ended rank 1
        ([(1, 5), (-SIGKILL, 35)], 0),  # with all its means
        ([(1, 5), (-SIGABRT, 5)], 0),  # NCCL has
        ([(-SIGABRT, 5), (-SIGTERM, 5)], 0),
        ([(2, 5), (-SIGKILL, 5)], 0),  # it has said why
        ([(-SIGTERM, 6), (3, 5)], 1),
    ],
)
def test_a_rank_that_was_killed_is_the_cause_of_those_that_crashed(ends: list[tuple[int, int]], first: int) -> None:
    assert _first_failure(ended(*ends))[0] == first
