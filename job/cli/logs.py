"""codecjob logs."""

import sys
import time
from collections.abc import Callable, Iterator

import click

from infra.pods import open_provider
from job.cli.log_timestamps import Times, moment
from job.cli.options import run_argument, store_option
from job.errors import UsageError
from job.printable import printable_line
from job.record.attempt import Attempt
from job.record.run import Run
from job.record.run_index import locate
from job.run.state import ENDED, look

POLL_SECONDS = 1.0
ALL = "all"
OVERLAP = 4096
"""Bytes by which the newest window of a node's log is found again in the one before."""


@click.command("logs")
@run_argument
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the run has ended.")
@click.option(
    "--since", metavar="TIME", help="Only lines from then on: 10m, 2h, 1d ago, or 14:05, 2026-11-22T14:05 (UTC)."
)
@click.option("--node", metavar="N|all", default="0", help="Of several nodes the one to hear. Default: 0, the first.")
@store_option
def command(run: str, following: bool, since: str | None, node: str, store: str | None) -> None:
    """Print a run's log: the agent's and the trainer's lines, attempt after attempt.

    Of a node beside the first the record has the end of its log, 256 KiB; with `--node all` each line names its node.

    \b
    Examples:
      codecjob logs @last
      codecjob logs quickstart -f --since 10m
      codecjob logs quickstart --node all
    """
    begin = moment(since) if since else None
    found = locate(run, store)
    spec = found.spec()
    ranks = _ranks(node, spec.nodes, found.run_id)
    readers = [_Reader(found, rank, f"node {rank}| " if len(ranks) > 1 else "", begin) for rank in ranks]
    while True:
        # Asked before printing, so that what an ending run wrote last is printed too.
        ended = not following or look(found, open_provider(spec.provider)).state in ENDED
        for reader in readers:
            reader.print_new(at_end=ended)
        if ended:
            break
        time.sleep(POLL_SECONDS)
    if not any(reader.seen for reader in readers):
        whose = "" if node == "0" else f" of node {node}"
        click.echo(f"{found.run_id} has not written a log{whose} yet: codecjob status {found.run_id}", err=True)


def _ranks(node: str, nodes: int, run_id: str) -> list[int]:
    if node == ALL:
        return list(range(nodes))
    if not node.isdecimal() or int(node) >= nodes:
        more = f"0 to {nodes - 1}, or all" if nodes > 1 else "0 alone"
        raise UsageError(f"--node {node}: {run_id} has {more}")
    return [int(node)]


class _Reader:
    """What one node has written, and how much of it was printed."""

    def __init__(self, run: Run, rank: int, prefix: str, since: float | None) -> None:
        self.seen = False
        self._run = run
        self._rank = rank
        self._prefix = prefix.encode()
        self._since = since
        self._news: dict[int, Callable[[], bytes]] = {}
        self._times: dict[int, Times] = {}
        self._halves: dict[int, bytes] = {}
        self._titled = 1

    def print_new(self, at_end: bool) -> None:
        """Prints the lines that have come since the last call; half a line only at the end."""
        for attempt in self._run.attempts():
            number = attempt.number
            if number not in self._news:
                self._news[number] = _Pieces(attempt) if self._rank == 0 else _Window(attempt, self._rank)
                intent = attempt.intent()
                self._times[number] = Times(intent.time if intent else self._run.submission().submitted)
            data = self._halves.pop(number, b"") + self._news[number]()
            self.seen = self.seen or bool(data)
            whole = len(data) if at_end else data.rfind(b"\n") + 1
            self._halves[number] = data[whole:]
            for line in data[:whole].splitlines(keepends=True):
                if self._since is None or self._times[number].of(line) >= self._since:
                    self._print(number, line)
        sys.stdout.buffer.flush()

    def _print(self, number: int, line: bytes) -> None:
        if number > self._titled:
            self._titled = number
            click.echo(f"{self._prefix.decode()}--- attempt {number} of {self._run.run_id}")
        # Into a pipe or a file goes what the pod has written, to the byte.
        sys.stdout.buffer.write(self._prefix + (printable_line(line) if sys.stdout.isatty() else line))


class _Pieces:
    """The log of the first node: pieces, of which the last one grows."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._last, self._size = 1, 0

    def __call__(self) -> bytes:
        """What has come since the last call."""
        return b"".join(self._new())

    def _new(self) -> Iterator[bytes]:
        for sequence, piece in self._attempt.segments("log", after=self._last - 1):
            yield piece[self._size :] if sequence == self._last else piece
            self._last, self._size = sequence, len(piece)


class _Window:
    """The log of another node: its end, always the newest."""

    def __init__(self, attempt: Attempt, rank: int) -> None:
        self._attempt = attempt
        self._rank = rank
        self._known = b""

    def __call__(self) -> bytes:
        """What has come since the last call; all of it, where more has come than the window holds."""
        newest = self._attempt.node_log(self._rank)
        mark = self._known[-OVERLAP:]
        at = newest.rfind(mark) if mark else -1
        self._known = newest
        return newest[at + len(mark) :] if at >= 0 else newest
