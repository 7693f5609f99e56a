import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.store import AccessDenied, NotFound, StoreError
from infra.store.folder import FolderStore

NOBODY = 65534


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """The folder is read-only for this user, also where the tests run as root."""
    folder.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)
        folder.chmod(0o755)


def test_unfinished_and_foreign_files_are_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/object", b"")
    (tmp_path / "a" / ".tmp-stale").write_bytes(b"half")
    (tmp_path / "only-stale").mkdir()
    (tmp_path / "only-stale" / ".tmp-stale").write_bytes(b"half")
    (tmp_path / os.fsdecode(b"latin-\xe9")).write_bytes(b"")
    (tmp_path / "circle").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert [info.key for info in store.list("")] == ["a/object"]
    assert store.folders("") == ["a"]


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b", b"")
    for write in (store.put, store.create):
        with pytest.raises(StoreError, match="folder lies where a file is needed"):
            write("a", b"")
        with pytest.raises(StoreError, match="file lies where a folder is needed"):
            write("a/b/c", b"")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b"]


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file")
    with pytest.raises(StoreError, match="file lies where a folder is needed"):
        list(store.list(""))
    with pytest.raises(StoreError, match="file lies where a folder is needed"):
        store.put("a", b"")


def test_objects_may_be_read_by_others_as_the_umask_says(tmp_path: Path) -> None:
    was = os.umask(0o022)
    try:
        FolderStore(tmp_path).put("a", b"")
        FolderStore(tmp_path).create("b", b"")
    finally:
        os.umask(was)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o644, 0o644]


@pytest.mark.slow
def test_no_rights(tmp_path: Path) -> None:
    # Not below tmp_path: its parents are closed to any other user, which would make reading fail as well.
    root = Path(subprocess.check_output(["mktemp", "-d"], text=True, timeout=120).strip())
    try:
        store = FolderStore(root)
        store.put("a", b"old")
        with unprivileged(root):
            for write in (store.put, store.create):
                with pytest.raises(AccessDenied, match=f"cannot write a in store {root}: Permission denied; give"):
                    write("a", b"new")
            with pytest.raises(AccessDenied, match="cannot delete a"):
                store.delete("a")
            assert store.get("a") == b"old"
    finally:
        shutil.rmtree(root)


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, small_disk: Callable[..., list[str]]) -> None:
    root = tmp_path / "small"
    root.mkdir()
    script = (
        "import sys; from pathlib import Path; from infra.store import StoreFull; from infra.store.folder import *\n"
        "store = FolderStore(Path(sys.argv[1])); store.put('a', b'old')\n"
        "for write in (store.put, store.create):\n"
        "    try: write('a', bytes(1 << 20))\n"
        "    except StoreFull as error: print(error)\n"
        "assert store.get('a') == b'old' and len(list(Path(sys.argv[1]).iterdir())) == 1\n"
    )
    printed = subprocess.run(
        small_disk(root, "64k", script), check=True, text=True, stdout=subprocess.PIPE, timeout=120
    ).stdout
    line = f"cannot write a in store {root}: No space left on device; free some space or choose another folder"
    assert printed.splitlines() == [line, line]


def test_a_pipe_is_no_object_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b", b"x")
    os.mkfifo(tmp_path / "a" / "pipe")
    with pytest.raises(NotFound):
        store.get("a/pipe")
    assert [info.key for info in store.list("a/")] == ["a/b"]


def test_links_below_the_root_lead_nowhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_bytes(b"secret")
    store = FolderStore(tmp_path / "store")
    store.put("a/b", b"x")
    (tmp_path / "store" / "a" / "events").symlink_to(elsewhere)
    (tmp_path / "store" / "a" / "link").symlink_to(elsewhere / "secret")
    for key in ("a/events/secret", "a/link"):
        with pytest.raises(NotFound):
            store.get(key)
    for write in (store.put, store.create):
        with pytest.raises(StoreError):
            write("a/events/new", b"x")
    store.delete("a/events/secret")
    assert list(store.list("a/events/")) == []
    assert [path.name for path in elsewhere.iterdir()] == ["secret"]
