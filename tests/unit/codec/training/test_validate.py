from pathlib import Path

import pytest
import soundfile
import torch

from codec.acoustics import metrics
from codec.acoustics.normalize import normalize
from codec.config import ModelConfig
from codec.model.codec import Codec
from codec.training.validate import HeldOut, mean_snr_db, validate, write_samples


@pytest.fixture
def model() -> Codec:
    torch.manual_seed(0)
    return Codec(ModelConfig(hidden_dim=16, strides=(2, 4), num_quantizers=2, codebook_size=8, codebook_dim=4))


@pytest.fixture
def held_out() -> HeldOut:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([800, 800, 300])
    audio = 0.05 * torch.randn(3, 1, 800, generator=generator)
    audio[2, :, 300:] = 0
    y, gain = normalize(audio, lengths)
    return HeldOut(y, lengths, gain)


def beat() -> None:
    pass


def test_a_row_has_every_field_of_the_contract(model: Codec, held_out: HeldOut) -> None:
    row = validate(model, held_out, 2, beat)
    assert set(row) == {
        "loss", "l1", "vq", "l1_ratio", "snr_db", "si_sdr_db", "amplitude", "correlation", "dc_offset",
        "dc_original", "lag",
        "perplexity", "codes_used", "mel_distance", "crops", "snr_db_worst", "clipped", "high_band",
    }  # fmt: skip
    assert row["crops"] == 3
    assert len(row["perplexity"]) == len(row["codes_used"]) == 2
    assert row["loss"] == pytest.approx(row["l1"] + row["vq"])
    assert isinstance(row["lag"], int)


def test_metrics_are_means_over_crops_of_their_real_samples(model: Codec, held_out: HeldOut) -> None:
    decoded = model(held_out.audio, held_out.lengths).audio.detach()
    values = [
        float(metrics.snr_db(x[0, :length], y[0, :length]))
        for x, y, length in zip(held_out.audio, decoded, held_out.lengths.tolist(), strict=True)
    ]
    assert validate(model, held_out, 2, beat)["snr_db"] == pytest.approx(sum(values) / 3, rel=1e-5)


@pytest.fixture
def differing() -> Codec:
    """Frames have one code on average, and many have none."""
    flags = {"num_quantizers": 7, "mean_quantizers": 2, "codebook_size": 8, "codebook_dim": 8}
    torch.manual_seed(0)
    model = Codec(ModelConfig(hidden_dim=16, strides=(2, 4), transform="mdct", **flags))
    model.quantizer.initialise(model.latents(torch.randn(1, 1, 4000)).detach())
    return model


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("kind", ["model", "differing"])
def test_the_batch_size_changes_nothing(
    kind: str, held_out: HeldOut, batch_size: int, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    row, expected = validate(model, held_out, batch_size, beat), validate(model, held_out, 2, beat)
    for name in expected:
        assert row[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name


def test_validating_changes_no_state_and_beats_after_each_batch(model: Codec, held_out: HeldOut) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    beats: list[int] = []
    validate(model, held_out, 2, lambda: beats.append(1))
    assert len(beats) == 2
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_samples_are_at_the_original_level_and_length(model: Codec, held_out: HeldOut, tmp_path: Path) -> None:
    write_samples(model, held_out, tmp_path / "0001")
    assert sorted(path.name for path in (tmp_path / "0001").iterdir()) == sorted(
        f"{k}-{name}.wav" for k in range(3) for name in ("original", "decoded")
    )
    audio, rate = soundfile.read(tmp_path / "0001" / "2-original.wav", dtype="float32")
    assert (len(audio), rate) == (300, 16000)
    expected = (held_out.audio / held_out.gain)[2, 0, :300]
    torch.testing.assert_close(torch.from_numpy(audio), expected, atol=1 / 32768, rtol=0)


def test_a_broken_model_reads_as_broken(model: Codec, held_out: HeldOut, tmp_path: Path) -> None:
    with torch.no_grad():
        model.decoder[0].bias.fill_(torch.nan)  # type: ignore[union-attr]
    row = validate(model, held_out, 2, beat)
    assert row["snr_db"] != row["snr_db"]
    assert row["loss"] != row["loss"]
    write_samples(model, held_out, tmp_path)  # and its samples can still be written


def test_the_worst_tenth_is_told_beside_the_mean(model: Codec, held_out: HeldOut) -> None:
    decoded = model(held_out.audio, held_out.lengths).audio.detach()
    values = [
        float(metrics.snr_db(x[0, :length], y[0, :length]))
        for x, y, length in zip(held_out.audio, decoded, held_out.lengths.tolist(), strict=True)
    ]
    assert validate(model, held_out, 2, beat)["snr_db_worst"] == pytest.approx(min(values), rel=1e-5)
    assert mean_snr_db(model, held_out, 2) == pytest.approx(sum(values) / 3, rel=1e-5)
