"""tests/unit mirrors the source: the test of a module is where the module is, under its name."""

from pathlib import Path

from rooms import ROOT

UNIT = ROOT / "tests" / "unit"
# Folders for what is not part of the program.
BESIDE = {"bench"}
# Tests of a whole room, not of one of its modules.
WHOLE_ROOM = {
    "codec/audio/test_examples.py",
    "codec/front/test_golden.py",
    "codec/training/test_on_cuda_without_one.py",
    "infra/pods/test_open_provider.py",
    "infra/store/test_open_store.py",
    "job/test_no_orphan.py",
    "job/verdict/test_histories.py",
}
TESTS = sorted(path.relative_to(UNIT) for path in UNIT.rglob("test_*.py"))


def is_named_after_a_module(test: Path) -> bool:
    """Whether `test_NAME.py` or `test_NAME_MORE.py` tests a module or a package NAME of its folder, or the folder."""
    folder = ROOT / test.parent
    names = {folder.name} | {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    tested = test.stem.removeprefix("test_")
    return any(tested == name or tested.startswith(f"{name}_") for name in names)


def test_every_folder_is_one_of_the_source() -> None:
    folders = {test.parent for test in TESTS if len(test.parts) > 1 and test.parts[0] not in BESIDE}
    assert len(folders) > 15
    assert not [str(folder) for folder in folders if not (ROOT / folder).is_dir()]


def test_every_file_is_named_after_a_module_of_its_folder() -> None:
    mirrored = [test for test in TESTS if len(test.parts) > 1 and test.parts[0] not in BESIDE]
    unnamed = {str(test) for test in mirrored if not is_named_after_a_module(test)}
    assert unnamed == WHOLE_ROOM
