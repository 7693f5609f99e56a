import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec.audio import pack
from codec.cli import main
from codec.codes import ABSENT
from codec.coding import trained
from codec.errors import UserError
from codec.evaluation.evaluate import _carried_bits, entropy_bits, evaluate, pieces_of, stages_shown
from codec.evaluation.report import markdown
from codec.model.checkpoint import clip_ids

Make = Callable[..., Path]


@pytest.fixture
def clips(write_clip: Make) -> Path:
    """Four clips of 1.5 s; the last is silent."""
    for number in range(3):
        write_clip(f"{number}.wav", 1.5, seed=number)
    return write_clip("3.wav", 1.5, rms=1e-4).parent


@pytest.fixture
def model(make_checkpoint: Make, clips: Path, tmp_path: Path) -> trained.Trained:
    """A model that has learned from the first clip."""
    learned = clip_ids(pack(clips, tmp_path / "cache", 16000).clips)[:1]
    return trained.load(make_checkpoint(learned=learned, num_quantizers=2))


def test_what_was_learned_from_is_left_out_under_any_name(model: trained.Trained, clips: Path) -> None:
    (clips / "0.wav").rename(clips / "renamed.wav")
    pieces = pieces_of(model, clips, everything=False, limit=100)
    assert (pieces.clips, pieces.learned, len(pieces.audio)) == (4, 1, 2)
    assert pieces.seconds == 3.0
    assert len(pieces_of(model, clips, everything=True, limit=100).audio) == 3
    for name in "1.wav", "2.wav", "3.wav":
        (clips / name).unlink()
    with pytest.raises(UserError, match="has learned from every clip in it"):
        pieces_of(model, clips, everything=False, limit=100)


def test_long_clips_become_pieces_and_are_limited_evenly(model: trained.Trained, tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    ramp = np.linspace(0.05, 0.5, 16000 * 35) * np.resize([1, -1], 16000 * 35)
    soundfile.write(tmp_path / "long" / "a.wav", ramp, 16000)
    pieces = pieces_of(model, tmp_path / "long", everything=False, limit=100)
    assert [len(piece) / 16000 for piece in pieces.audio] == [10, 10, 10, 5]
    assert [len(piece) / 16000 for piece in pieces_of(model, tmp_path / "long", False, 2).audio] == [10, 5]


def test_a_checkpoint_that_does_not_say_what_it_learned_from_needs_all(make_checkpoint: Make, clips: Path) -> None:
    old = trained.load(make_checkpoint(root="old"))
    with pytest.raises(UserError, match="does not say what it has learned from; --all"):
        pieces_of(old, clips, everything=False, limit=10)
    assert pieces_of(old, clips, everything=True, limit=10).learned == 0


def test_rows_are_what_the_codes_of_so_many_quantizers_give(model: trained.Trained, clips: Path) -> None:
    pieces = pieces_of(model, clips, everything=False, limit=100)
    ticked: list[int] = []
    rows = evaluate(model, pieces, {"half": lambda x, y: 0.5}, against=False, tick=lambda: ticked.append(1))
    assert [row["quantizers"] for row in rows] == [1, 2]
    assert len(ticked) == 4
    assert [row["nominal_kbps"] for row in rows] == [3.2, 6.4]
    for row in rows:
        assert 0 < row["effective_kbps"] <= row["nominal_kbps"]
        assert (row["half"], row["half_excluded"]) == (0.5, 0)
        x = pieces.audio[0]
        assert np.isfinite([row["snr_db"], row["mel_distance"], row["amplitude"]]).all()
        assert len(x) == 24000


def test_entropy_is_the_bits_that_codes_carry() -> None:
    counts = torch.tensor([[5, 5, 5, 5], [10, 10, 0, 0], [20, 0, 0, 0], [0, 0, 0, 0]])
    assert entropy_bits(counts).tolist() == [2, 1, 0, 0]


def test_many_quantizers_are_shown_evenly(make_checkpoint: Make) -> None:
    loaded = trained.load(make_checkpoint(root="many", num_quantizers=20))
    shown = stages_shown(loaded)
    assert shown == [2, 4, 7, 9, 11, 13, 16, 18, 20]
    assert stages_shown(trained.load(make_checkpoint(root="few", num_quantizers=2))) == [1, 2]


def test_where_frames_differ_rows_are_means_of_codes_and_more_of_them_are_better(
    make_checkpoint: Make, clips: Path
) -> None:
    flags = {"num_quantizers": 15, "mean_quantizers": 11, "codebook_dim": 20, "transform": "mdct"}
    differing = trained.load(make_checkpoint(root="differing", **flags))
    pieces = pieces_of(differing, clips, everything=True, limit=2)
    rows = evaluate(differing, pieces, {}, against=False, tick=lambda: None)
    # Of a mean of 1.2 codes nothing is left but the count of them.
    assert [row["quantizers"] for row in rows] == stages_shown(differing) == [2, 4, 5, 6, 7, 9, 10, 11]
    assert [row["nominal_kbps"] for row in rows] == [pytest.approx(3.2 * row["quantizers"]) for row in rows]
    assert all(0 < row["effective_kbps"] <= row["nominal_kbps"] for row in rows)
    snr = [row["snr_db"] for row in rows]
    assert snr == sorted(snr)


def test_what_codes_carry_counts_how_many_a_frame_has(model: trained.Trained) -> None:
    few = torch.tensor([[3, 3, 3, 3], [ABSENT, 1, ABSENT, 2]])
    # The first stage says nothing, the second one bit twice, and whether it is there one bit of each frame.
    assert float(_carried_bits(model, [few])) == 2 + 4
    assert float(_carried_bits(model, [few[:, :2], few[:, 2:]])) == 2 + 4
    assert float(_carried_bits(model, [few[:1]])) == 0


def test_the_command_prints_saves_and_plots_the_table(
    model: trained.Trained,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if shutil.which("opusenc") is None:
        pytest.skip("needs opusenc: apt install opus-tools")
    out = tmp_path / "out"
    words = ["evaluate", model.folder, clips, "--against", "opus", "--limit", "1", "--out", out, "--json"]
    monkeypatch.setattr(sys, "argv", ["codec", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads((out / "evaluation.json").read_text())
    assert facts["learned_clips_left_out"] == 1
    rows = [(row["codec"], row["nominal_kbps"]) for row in facts["rows"]]
    # Where pesq is installed, Opus has another row for a rate whose best mode by ear is not its best by SNR.
    assert [row for row in rows if row[0] != "opus, by ear"] == [
        ("model", 3.2), ("model", 6.4), ("opus", 6.0), ("opus", 6.4),
    ]  # fmt: skip
    with (out / "evaluation.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert markdown(facts["rows"]) in (out / "evaluation.md").read_text()
    assert (out / "evaluation.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "."], "nowhere: no such folder"),
        ([".", "nowhere"], ".: no checkpoint in it"),
        ([".", ".", "--limit", "0"], "--limit 0: give at least 1"),
        ([".", ".", "--out", __file__], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["codec", "evaluate", *words])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
