"""Silence of a server as an event, for clients in this process."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def silence_without_a_clock(silent: set[tuple[str, int]]) -> Iterator[None]:
    """End reads by events: at once where a server has fallen silent, never because an answer is slow.

    With a short limit, a busy machine turns good answers into silence. A server adds the address of its client to
    ``silent`` when it has nothing more to send; that ends one read, as the clock would.
    """
    read = socket.SocketIO.readinto

    def readinto(stream: socket.SocketIO, buffer: bytearray) -> int | None:
        connection: socket.socket = stream._sock  # type: ignore[attr-defined]
        address = connection.getsockname()
        while True:
            ended = address in silent  # first: what was sent before that is seen by the look
            if select.select([connection], [], [], 0.02)[0]:
                break
            if ended:
                silent.discard(address)
                raise TimeoutError("timed out")
        return read(stream, buffer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.SocketIO, "readinto", readinto)
        yield
