from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.store import InvalidKey
from infra.store.keys import check_key, check_prefix

BAD = [
    "",
    "/",
    "/etc/passwd",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a\\b",
    "C:/a",
    "a/c:b",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a\u2028b",
    "a\udcffb",
    "a/.tmp-1/b",
    "a" * 256,
    "a/" * 512 + "a",
    "త" * 90,
]
GOOD = [
    "a",
    "runs/2026-11-22T10:00:00Z-x/attempts/1/events/17.5-ab.json",
    ".hidden/..three",
    "a b/ü",
    "తెలుగు\u200c/క",
    "a" * 255,
]


@pytest.mark.parametrize("key", BAD, ids=ascii)
def test_bad_keys_are_refused_with_one_line(key: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        check_key(key)
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidKey):
        check_prefix(key + "/")


@pytest.mark.parametrize("key", GOOD, ids=ascii)
def test_good_keys_pass(key: str) -> None:
    check_key(key)
    check_prefix(key + "/")


def test_prefixes() -> None:
    check_prefix("")
    with pytest.raises(InvalidKey, match="does not end with /"):
        check_prefix("runs/2026")


@given(st.text(alphabet="ab./\\: C\n~", max_size=12))
def test_what_passes_stays_below_the_root_on_any_system(key: str) -> None:
    try:
        check_key(key)
    except InvalidKey:
        return
    for root in (PurePosixPath("/root"), PureWindowsPath("D:/root")):
        assert (root / key).is_relative_to(root)
        assert ".." not in (root / key).parts
