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


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ('"s3://key:SECRET@codecjob/x"', "quotation mark"),
        ("'s3://codecjob/SECRET'", "quotation mark"),
        ("s3://codecjob/SECRET'", "quotation mark"),
        ("\u201cs3://codecjob/SECRET\u201d", "quotation mark"),
        ("<s3://codecjob/SECRET>", "quotation mark"),
        ("\ufeffs3://codecjob/SECRET", "cannot be seen"),
        ("/lab\n/SECRET", "line break"),
        ("$SECRET/lab", "a variable that nobody has filled in"),
        ("%SECRET%/lab", "a variable that nobody has filled in"),
        ("s3:codecjob/SECRET", "a colon where a path has none"),
        ("CODECJOB_STORE=s3://SECRET", "a colon where a path has none"),
        ("- s3://SECRET", "a colon where a path has none"),
        ("host:/SECRET", "unknown store host"),
        ("host:SECRET", "a colon where a path has none"),
        ("s3//codecjob/SECRET", "lacks the colon"),
        ("codecjob/lab?region=SECRET", "does not begin with s3://"),
    ],
)
def test_a_mangled_url_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=words) as caught:
        open_store(url)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blanks_around_a_url_are_no_part_of_it(tmp_path: Path) -> None:
    assert open_store(" s3://codecjob/x\n").url == "s3://codecjob/x"
    assert root(f"  {tmp_path}/lab ") == tmp_path / "lab"


@pytest.mark.parametrize("name", ["./a:b", "a/b:c", "lab 2", "తెలుగు\u200c", "a'b", "a$b", "s3", "s3/lab"])
def test_what_is_plainly_a_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert root(name) == tmp_path / name


def test_check_writable_refuses_a_store_where_a_second_writer_wins(tmp_path: Path) -> None:
    class Overwriting(FolderStore):
        def create(self, key: str, data: bytes) -> bool:
            self.put(key, data)
            return True

    with pytest.raises(StoreError, match="lets a second writer win"):
        check_writable(Overwriting(tmp_path))


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
