from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from codec.coding import trained
from codec.errors import UserError
from codec.model import checkpoint
from codec.model.codec import Codec

Make = Callable[..., Path]


def test_folding_the_weight_norm_changes_no_output(make_checkpoint: Make) -> None:
    folder = make_checkpoint()
    loaded = trained.load(folder)
    assert not any("parametrizations" in name for name, _ in loaded.model.named_parameters())
    plain = Codec(loaded.model.config)
    plain.load_state_dict(safetensors.torch.load_file(folder / checkpoint.MODEL))
    audio = torch.randn(1, 1, 1000) * 0.1
    codes = plain.encode(audio)
    assert torch.equal(loaded.model.encode(audio), codes)
    torch.testing.assert_close(loaded.model.decode(codes, 1000), plain.decode(codes, 1000), atol=1e-6, rtol=1e-4)


def test_a_runs_folder_gives_its_best_checkpoint_else_its_newest(make_checkpoint: Make, tmp_path: Path) -> None:
    make_checkpoint(step=1)
    newest = make_checkpoint(step=2)
    assert trained.load(tmp_path / "run").folder == newest
    best = make_checkpoint(step=3, snr_db=5.0)
    make_checkpoint(step=4, snr_db=4.0)
    for path in (tmp_path / "run", tmp_path / "run" / "checkpoints", best):
        assert trained.load(path).folder == best


def test_a_damaged_best_checkpoint_is_passed_over_but_not_when_it_is_named(
    make_checkpoint: Make, tmp_path: Path
) -> None:
    good, damaged = make_checkpoint(step=1), make_checkpoint(step=2, snr_db=9.0)
    with (damaged / checkpoint.MODEL).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert trained.load(tmp_path / "run").folder == good
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        trained.load(damaged)


def test_the_id_is_that_of_weights_and_architecture(make_checkpoint: Make) -> None:
    first = trained.load(make_checkpoint(root="a", step=1)).id
    assert trained.load(make_checkpoint(root="b", step=7)).id == first
    assert trained.load(make_checkpoint(root="c", seed=1)).id != first
    assert trained.load(make_checkpoint(root="d", sample_rate=24000)).id != first


def test_what_is_no_model_is_refused_in_one_line(make_checkpoint: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        trained.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no checkpoint in it"):
        trained.load(tmp_path)
    loaded = trained.load(make_checkpoint())
    assert [loaded.stages(None), loaded.stages(2)] == [3, 2]
    with pytest.raises(UserError, match="this model has 3; give 1 to 3"):
        loaded.stages(4)


def test_bitrate_and_frames(make_checkpoint: Make) -> None:
    loaded = trained.load(make_checkpoint(codebook_size=1000))
    assert loaded.bitrate(3) == 16000 / 20 * 3 * 10 / 1000
    assert loaded.frames(16000, 21) == (21, 2)
    assert loaded.frames(44100, 44100) == (16000, 800)
    assert loaded.frames(48000, 1) == (1, 1)
