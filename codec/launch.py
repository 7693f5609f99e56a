"""torchrun for the codec, with the ranks' own exit code.

    python -m codec.launch [torchrun's flags] train [codec's flags]

torchrun itself ends with 1 whether its ranks were stopped on request, refused their input or crashed,
and at a signal it gives them 30 s. Here a first SIGTERM or Ctrl-C is passed on to the ranks, which save
and end when they are ready; a second one ends everything.
"""

import logging
import os
import signal
import sys
from types import FrameType

from codec.loading import exit_without_library

with exit_without_library():
    import psutil
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
    from torch.distributed.run import parse_args, run

    from codec.errors import BAD_INPUT, CRASHED, LOST_OTHERS, tell

CLOSING_SECONDS = 30  # from torchrun's SIGTERM to its SIGKILL


def main(arguments: list[str]) -> int:
    """Start the ranks and wait for them. Returns the exit code of the first one that ended with another than 0."""
    if "train" not in arguments:
        tell("write: python -m codec.launch [torchrun's flags] train [codec's flags]")
        return BAD_INPUT
    split = arguments.index("train")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torchrun's own default, without its warning
    os.environ["PYTHONSAFEPATH"] = "1"  # torchrun starts the ranks with -m: they import nothing from this folder
    logging.disable(logging.ERROR)  # torchrun's report of a rank's end: the rank has said why itself
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _pass_on)
    command = [*arguments[:split], "--signals-to-handle", "SIGHUP", "-m", "codec", *arguments[split:]]
    try:
        run(parse_args(command))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        rank, failure = _first_failure(error)
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            tell(f"rank {rank} was killed by {name}")
        return failure.exitcode if failure.exitcode > 0 else CRASHED
    return 0


def _first_failure(error: ChildFailedError) -> tuple[int, ProcessFailure]:
    """The rank whose end was the cause of the others', and how it ended.

    torchrun looks ten times in a second, less often on a busy machine. Of ranks that ended between two looks it takes
    the lowest. That may be one that crashed only because another had been killed.
    """
    rank, first = error.get_first_failure()
    if first.exitcode not in (CRASHED, LOST_OTHERS):
        return rank, first
    for other, failure in error.failures.items():
        # SIGTERM is torchrun's, and so is a late SIGKILL. With SIGABRT NCCL ends a rank that has lost the others.
        by_others = failure.exitcode < 0 and -failure.exitcode not in (signal.SIGTERM, signal.SIGABRT)
        if by_others and failure.timestamp - first.timestamp < CLOSING_SECONDS:
            return other, failure
    return rank, first


def _pass_on(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for child in psutil.Process().children():
        child.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
