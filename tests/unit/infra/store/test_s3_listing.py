import random
from collections.abc import Iterator

import pytest

from infra.store import ObjectInfo
from infra.store.s3_listing import by_code_points

NAMES = ["a", "a!b/c", "a-/x", "a-b", "a.", "a/b", "a/b-/c", "a/b/c", "a/b0", "a0", "b /x", "b!", "b/1", "b0/x", "క/ఖ"]


def infos(names: list[str]) -> Iterator[ObjectInfo]:
    return (ObjectInfo(name, 0, 0.0) for name in names)


def as_a_tree(name: str) -> list[str]:
    return name.split("/")


@pytest.mark.parametrize("prefix", ["", "a/", "a b/c/"])
def test_a_tree_and_a_flat_list_come_out_alike(prefix: str) -> None:
    names = [prefix + name for name in NAMES]
    for order in (names, sorted(names, key=as_a_tree)):
        assert [info.key for info in by_code_points(infos(order), prefix)] == sorted(names)


def test_any_tree_comes_out_sorted() -> None:
    seeded = random.Random(0)
    for _ in range(200):
        parts = ["".join(seeded.choices(" -./0a", k=seeded.randint(1, 3))).replace("/", "") or "x" for _ in range(40)]
        names = sorted({"/".join(seeded.choices(parts, k=seeded.randint(1, 3))) for _ in range(60)})
        # No key is the folder of another.
        names = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
        assert [info.key for info in by_code_points(infos(sorted(names, key=as_a_tree)), "")] == names
        assert [info.key for info in by_code_points(infos(names), "")] == names


def test_no_more_than_a_folder_is_held_back() -> None:
    taken: list[str] = []

    def found() -> Iterator[ObjectInfo]:
        for name in ("0/a", "0/b", "1/a", "2", "3"):
            taken.append(name)
            yield ObjectInfo(name, 0, 0.0)

    listing = by_code_points(found(), "")
    assert next(listing).key == "0/a"
    assert taken == ["0/a", "0/b", "1/a"]
