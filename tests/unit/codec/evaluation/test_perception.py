import importlib.util
import math

import numpy as np
import pytest

from codec.evaluation.perception import judges


def test_a_missing_package_is_a_missing_column_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pystoi", None)
    found, lines = judges(16000)
    assert "stoi" not in found
    assert "no column stoi: install it with pip install 'codecjob[evaluate]'" in lines


def test_scores_fall_with_noise_and_what_is_too_short_has_none() -> None:
    found, lines = judges(16000)
    assert "stoi" in found
    # pesq needs a compiler to install: where it is missing, that is said.
    assert ("pesq" in found) == (importlib.util.find_spec("pesq") is not None)
    assert ("pesq" in found) != any(line.startswith("no column pesq") for line in lines)
    random = np.random.default_rng(0)
    time = np.arange(48000) / 16000
    speech = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20)) * np.sin(2 * np.pi * 2 * time).clip(0)
    speech = (0.1 * speech).astype(np.float32)
    for judge in found.values():
        scores = [judge(speech, speech + random.normal(0, level, 48000).astype(np.float32)) for level in (1e-5, 0.1)]
        assert scores[0] > scores[1]
        assert math.isnan(judge(speech[:2000], speech[:2000]))
    if "pesq" in found:
        assert math.isnan(found["pesq"](np.zeros(48000, np.float32), np.zeros(48000, np.float32)))


def test_pesq_is_for_16_khz_alone() -> None:
    found, lines = judges(24000)
    assert "pesq" not in found
    assert any(line.startswith("no column pesq") for line in lines)
