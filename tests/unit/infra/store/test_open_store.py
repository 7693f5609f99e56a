from pathlib import Path

import pytest

from infra.store import InvalidKey, StoreError, check_writable, open_store
from infra.store.folder import FolderStore


def root(url: str) -> Path:
    store = open_store(url)
    assert isinstance(store, FolderStore)
    return store.root


def test_a_folder_can_be_named_in_several_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert root(f"{tmp_path}/a b") == tmp_path / "a b"
    assert root("a b") == tmp_path / "a b"
    assert root("~/a b") == tmp_path / "home" / "a b"
    assert root(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert root(f"file://localhost{tmp_path}/a b") == tmp_path / "a b"
    assert root(open_store("a b%20#?").url) == tmp_path / "a b%20#?"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["ftp://key:secret@host/bucket", "FTP:/bucket", "https://host/x", "gs://bucket"])
def test_unknown_stores_are_named_without_their_secrets(url: str) -> None:
    with pytest.raises(StoreError, match=r"unknown store .*known: a folder, file://, s3://") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", " ", "a\0b", "file://server/share", "file://", "~nobody-of-this-name/x"])
def test_names_that_are_no_folder(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url)


def test_check_writable_says_what_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot write to store file://.*/file: .*a file lies where"):
        check_writable(open_store(str(tmp_path / "file")))


def test_check_writable_keeps_the_type_of_the_error(tmp_path: Path) -> None:
    class Refusing(FolderStore):
        def get(self, key: str) -> bytes:
            raise InvalidKey(key)

    with pytest.raises(InvalidKey, match="cannot read back from"):
        check_writable(Refusing(tmp_path))
