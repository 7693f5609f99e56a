"""Which room may import which (docs/architecture.md): one table, one loop."""

import re
from pathlib import Path

import pytest

from rooms import MODULES, ROOMS, ROOT, TORCH, between_rooms, imports, room_of


def test_every_room_is_in_the_table() -> None:
    found = {room_of(name) for name in MODULES if name.startswith(("job.", "codec."))}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    package = room.split(".", maxsplit=1)[0]
    imported = {other for (name, other) in between_rooms(package) if name == room}
    assert imported <= ROOMS[room]


def test_no_room_may_import_a_room_that_may_import_it() -> None:
    for room, may in ROOMS.items():
        assert not [other for other in may if room in ROOMS[other]], room


def packages_imported(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


def test_verdicts_are_pure() -> None:
    impure = {"infra", "time", "datetime", "os", "socket"}
    assert not [name for name in MODULES if room_of(name) == "job.verdict" and packages_imported(name) & impure]


def test_click_is_imported_by_the_commands_alone() -> None:
    importing = {room_of(name) for name in MODULES if "click" in packages_imported(name)}
    assert importing == {"job.cli", "codec.cli", "codec.errors"}  # errors: how the trainer speaks to people


def test_torch_is_imported_in_its_rooms_alone() -> None:
    importing = {room_of(name) for name in MODULES if "torch" in packages_imported(name)}
    assert importing <= {f"codec.{room}" for room in TORCH}


PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_document_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:codec|infra|job|tests|docs|docker|examples)/[\w./*-]*)", text)
    assert not [path for path in named if not [*ROOT.glob(path)]]
