"""What is said of a library that cannot be loaded, and of no other error."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codec.loading import library_error

Library = Callable[[str, str], None]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """library(name, text): a library of that name and text, found before the real one."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return make


def said(call: Callable[[], object]) -> str | None:
    with pytest.raises(Exception) as caught:
        call()
    return library_error(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "soundfile",
            "raise OSError('sndfile library not found')",
            r"soundfile [\d.]+ cannot be loaded: sndfile library ",
        ),
        ("soxr", "import ctypes; ctypes.CDLL('libnothing.so.1')", r"soxr [\d.]+ cannot be loaded: libnothing\.so\.1: "),
        (
            "plotly",
            "raise ImportError('\\n\\n  C-extensions failed.\\nmore')",
            r"plotly [\d.]+ .*: C-extensions failed; .*\[report\]",
        ),
        (
            "numpy",
            "raise AttributeError('_ARRAY_API')",
            r"numpy [\d.]+ cannot be loaded: _ARRAY_API; install codecjob again",
        ),
        ("wandb", "import no_such_part", r"wandb [\d.]+ cannot be loaded: No module named 'no_such_part'; "),
        (
            "torchaudio",
            "raise RuntimeError('another CUDA')",
            r"torchaudio [\d.]+ beside torch [\d.]+.* cannot be loaded: another CUDA; ",
        ),
        ("unknown_one", "raise ValueError", r"unknown_one cannot be loaded: ValueError; "),
    ],
)
def test_whatever_a_library_raises_when_it_is_loaded_names_it_and_the_cause(
    library: Library, name: str, text: str, line: str
) -> None:
    library(name, text)
    message = said(lambda: importlib.import_module(name))
    assert message is not None
    assert re.match(line, message), message


def test_the_root_of_a_chain_is_the_cause(library: Library) -> None:
    library(
        "torchaudio",
        "try:\n    raise OSError('undefined symbol: x')\nexcept OSError as e:\n    raise OSError('no') from e",
    )
    message = said(lambda: importlib.import_module("torchaudio"))
    assert message is not None
    assert "cannot be loaded: undefined symbol: x; install codecjob[train] again" in message


def test_a_missing_library_is_not_a_broken_one() -> None:
    assert (
        said(lambda: importlib.import_module("no_such_library.part")) == "no_such_library is missing: install codecjob"
    )


def test_a_library_that_another_one_misses_is_the_one_to_install(library: Library) -> None:
    library("torchaudio", "raise ModuleNotFoundError('No module named torch', name='torch')")
    assert said(lambda: importlib.import_module("torchaudio")) == "torch is missing: install codecjob[train]"
    library("torch", "raise OSError('libcudart.so.13: cannot open')")
    library("torchaudio", "import torch")
    message = said(lambda: importlib.import_module("torchaudio"))
    assert message is not None
    assert message.startswith("torch 2.")


def test_a_library_without_a_name_that_we_import_is_named(library: Library) -> None:
    library("soxr", "")
    message = said(lambda: exec("from soxr import resample", {"__name__": "codec.audio.read"}))
    assert message is not None
    assert "soxr" in message
    assert "cannot import name 'resample'" in message


def test_errors_of_our_own_modules_and_of_a_library_at_work_are_others(library: Library) -> None:
    library("numpy", "def work():\n    raise OSError('the disk is full')")
    assert said(lambda: importlib.import_module("numpy").work()) is None
    assert said(lambda: importlib.import_module("codec.no_such_module")) is None
    assert said(lambda: {}["key"]) is None
