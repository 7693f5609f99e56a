import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from helpers import PATIENCE_SECONDS
from infra.store import open_store

UPLOAD = "import sys; from pathlib import Path; from infra.store import open_store\n" + (
    "open_store(sys.argv[1]).upload(Path(sys.argv[2]), 'beat')"
)


def open_for(reader: "subprocess.Popen[bytes]", pipe: Path) -> BinaryIO:
    """The pipe's other end, once the reader has opened it: a plain `open` would wait for a dead one for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            assert reader.poll() is None
            assert time.monotonic() < deadline, "the writer did not begin"
            time.sleep(0.01)
        else:
            os.set_blocking(end, True)
            return os.fdopen(end, "wb")


def test_a_writer_killed_halfway_changes_nothing(tmp_path: Path) -> None:
    root, pipe = tmp_path / "store", tmp_path / "pipe"
    store = open_store(str(root))
    store.put("beat", b"old")
    os.mkfifo(pipe)  # the writer hangs in the middle of the object for as long as the pipe stays open
    writer = subprocess.Popen([sys.executable, "-c", UPLOAD, str(root), str(pipe)])
    with open_for(writer, pipe) as feed:
        feed.write(bytes(3 << 20))
        feed.flush()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(path.stat().st_size >= 1 << 20 for path in root.glob(".tmp-*")):
            assert time.monotonic() < deadline, "the writer did not begin"
            assert writer.poll() is None
            time.sleep(0.01)
        writer.kill()
        writer.wait(60)

    assert store.get("beat") == b"old"
    assert [info.key for info in store.list("")] == ["beat"]
    store.put("beat", b"new")
    assert store.get("beat") == b"new"
