"""A TCP proxy on loopback that makes the way to a server longer: python -m tests.bench.sync.delay PORT TARGET MS.

Half of the round trip is added in each direction. Bytes wait their time in a queue, so the rate is not limited.
"""

import asyncio
import sys
from contextlib import suppress

CHUNK = 1 << 16
QUEUED = 2048  # chunks on the way in one direction: 128 MiB


async def serve(port: int, target: int, seconds: float) -> None:
    """Passes connections on until it is killed."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)  # the handshake's own round trip
        there, back = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_pass(reader, back, seconds / 2), _pass(there, writer, seconds / 2))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED)
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(due - clock(), 0))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    delivery = asyncio.create_task(deliver())
    data = b" "
    while data:
        try:
            data = await reader.read(CHUNK)
        except OSError:
            data = b""
        await queue.put((clock() + seconds, data))
    with suppress(OSError):
        await delivery


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) / 1000))
