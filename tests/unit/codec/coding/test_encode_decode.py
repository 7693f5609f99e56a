import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from codec.acoustics.normalize import normalize
from codec.cli import cli, main
from codec.codes import ABSENT, BLOCK_FRAMES
from codec.coding import encode_decode, trained
from codec.coding.container import Header, Writer, read_header
from codec.coding.packing import Fixed, Varying
from codec.coding.trained import Trained
from codec.errors import UserError

Make = Callable[..., Path]
ROOT = Path(__file__).parents[4]


@pytest.fixture
def model(make_checkpoint: Make) -> Trained:
    return trained.load(make_checkpoint())


@pytest.fixture
def differing(make_checkpoint: Make) -> Trained:
    """A model whose frames differ in their codes, six on average: 800 x 6 x 4 = 19.2 kbit/s."""
    flags = {"num_quantizers": 15, "mean_quantizers": 6, "codebook_dim": 20, "transform": "mdct"}
    return trained.load(make_checkpoint(root="differing", **flags))


def silent(_: float) -> None: ...


def round_trip(model: Trained, source: Path, name: str = "out.wav") -> tuple[encode_decode.Coded, np.ndarray, int]:
    stream, out = source.with_suffix(".cjc"), source.with_name(name)
    coded = encode_decode.encode(model, source, stream, model.stages(None), silent)
    assert encode_decode.decode(model, stream, out, out.suffix, silent) == coded
    audio, rate = soundfile.read(out, always_2d=True)
    return coded, audio, rate


@pytest.mark.parametrize("pieces", [[3 * 20000], [1, 19999, 40000], [777] * 77 + [171]])
def test_blocks_give_what_the_whole_gives(model: Trained, monkeypatch: pytest.MonkeyPatch, pieces: list[int]) -> None:
    monkeypatch.setattr(encode_decode, "BLOCK_SECONDS", 1)
    audio = normalize(torch.randn(2, 60000).cumsum(1).diff(prepend=torch.zeros(2, 1)))[0]
    with torch.inference_mode():
        whole = model.model.encode(audio.unsqueeze(1))
        sound = model.model.decode(whole, 60000)[:, 0]
    codes = torch.cat(list(encode_decode.encode_pieces(model, audio.split(pieces, dim=1), 3)), dim=-1)
    # Sums in another order differ in the last digit; where two codes are equally near that may choose the other.
    assert codes.shape == whole.shape
    assert (codes == whole).float().mean() > 0.999
    frames = [-(-piece // 20) for piece in pieces]
    streamed = torch.cat(list(encode_decode.decode_pieces(model, whole[..., : sum(frames)].split(428, dim=-1))), dim=-1)
    torch.testing.assert_close(streamed, sound, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 16000, 1), ("a.flac", 44100, 1), ("a.ogg", 48000, 2), ("a.mp3", 8000, 1), ("a.wav", 22050, 6)],
)
def test_rate_length_and_channels_come_back(
    model: Trained, tmp_path: Path, name: str, rate: int, channels: int
) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, (rate + 7, channels))
    soundfile.write(tmp_path / name, audio, rate)
    frames = len(soundfile.read(tmp_path / name)[0])
    coded, decoded, decoded_rate = round_trip(model, tmp_path / name)
    assert (decoded_rate, decoded.shape) == (rate, (frames, channels))
    assert coded.coded_channels == channels
    assert coded.kbps == pytest.approx(coded.nominal_kbps, rel=0.03)
    assert coded.nominal_kbps == pytest.approx(channels * 9.6)


@pytest.mark.parametrize("length", [1, 2, 19, 20, 21, 639, 5001])
def test_every_length_comes_back(model: Trained, tmp_path: Path, length: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(length, 0.1), 44100)
    assert len(round_trip(model, tmp_path / "a.wav")[1]) == length


def test_equal_channels_are_coded_once(model: Trained, write_clip: Make) -> None:
    mono, _, _ = round_trip(model, write_clip("mono.wav"))
    stereo, audio, _ = round_trip(model, write_clip("stereo.wav", channels=2))
    assert (stereo.channels, stereo.coded_channels, stereo.bytes) == (2, 1, mono.bytes)
    assert np.array_equal(audio[:, 0], audio[:, 1])


def test_the_gain_is_trainings_own_and_taken_out_again(model: Trained, write_clip: Make) -> None:
    loud, quiet = (
        write_clip("loud.wav", 2.0, rms=0.1, subtype="FLOAT"),
        write_clip("quiet.wav", 2.0, rms=0.01, subtype="FLOAT"),
    )
    _, decoded_loud, _ = round_trip(model, loud)
    _, decoded_quiet, _ = round_trip(model, quiet, "out.flac")
    with quiet.with_suffix(".cjc").open("rb") as file:
        gain = read_header(quiet, file).gains[0]
    expected = normalize(torch.from_numpy(soundfile.read(quiet, dtype="float32")[0]))[1]
    assert gain == pytest.approx(float(expected), rel=1e-5)
    # The same codes, ten times quieter, to a step of 16 bits.
    np.testing.assert_allclose(decoded_quiet * 10, decoded_loud, atol=12 / 32768)


def test_silence_survives(model: Trained, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8000, 2)), 16000)
    coded, audio, _ = round_trip(model, tmp_path / "a.wav")
    assert coded.coded_channels == 1
    assert np.isfinite(audio).all()


def test_fewer_quantizers_are_fewer_bytes_and_their_codes_are_the_first(model: Trained, write_clip: Make) -> None:
    clip = write_clip("a.wav", 4.0)
    sizes = [encode_decode.encode(model, clip, clip.with_suffix(f".{n}"), n, silent).bytes for n in (1, 2, 3)]
    assert np.diff(sizes).tolist() == [4 * 800 // 2] * 2
    assert (
        encode_decode.decode(model, clip.with_suffix(".1"), clip.with_suffix(".flac"), ".flac", silent).quantizers == 1
    )


def test_a_stream_of_another_model_is_refused(model: Trained, make_checkpoint: Make, write_clip: Make) -> None:
    clip = write_clip("a.wav")
    encode_decode.encode(model, clip, clip.with_suffix(".cjc"), 3, silent)
    other = trained.load(make_checkpoint(root="other", seed=1))
    with pytest.raises(UserError, match=f"was made with model {model.id.hex()}, but .* is model {other.id.hex()}"):
        encode_decode.decode(other, clip.with_suffix(".cjc"), clip.with_suffix(".flac"), ".flac", silent)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_audio(model: Trained, tmp_path: Path) -> None:
    script = """
import sys, torch
from pathlib import Path
from codec.coding import encode_decode, trained
torch.set_num_threads(1)
model, *sources = map(Path, sys.argv[1:])
loaded = trained.load(model)
for source in sources:
    encode_decode.encode(loaded, source, source.with_suffix(".cjc"), 3, lambda _: None)
    encode_decode.decode(loaded, source.with_suffix(".cjc"), source.with_suffix(".flac"), ".flac", lambda _: None)
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    sources = [tmp_path / f"{seconds}.wav" for seconds in (15, 60)]
    for source in sources:
        noise = np.random.default_rng(0).integers(-9000, 9000, int(source.stem) * 192_000, dtype=np.int16)
        soundfile.write(source, noise, 192_000)
    command = [sys.executable, "-c", script, str(model.folder), *map(str, sources)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=120
    )
    short, long = map(int, done.stdout.split())
    assert long - short < 15_000  # KiB; 45 s more at 192 kHz are 34,000 as float32


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """The command's exit code, and what it wrote."""
    monkeypatch.setattr(sys, "argv", ["codec", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), *capsys.readouterr()


def test_the_commands_print_what_they_did(
    model: Trained,
    write_clip: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip, stream, out = write_clip("a.wav", 4.0), tmp_path / "a.cjc", tmp_path / "a.flac"
    run = model.folder.parents[1]
    code, text, _ = call(monkeypatch, capsys, "encode", clip, stream, "--model", run)
    assert code == 0
    assert "4.0 s, 1 channel, " in text
    assert "(nominal 9.60, 3 quantizers)" in text
    code, text, _ = call(monkeypatch, capsys, "decode", stream, out, "--model", run, "--json")
    assert code == 0
    facts = json.loads(text)
    assert (facts["file"], facts["bytes"], facts["seconds"]) == (str(out), stream.stat().st_size, 4.0)
    assert soundfile.info(out).duration == 4.0


def test_bad_input_is_one_line_and_leaves_nothing(
    model: Trained,
    write_clip: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = write_clip("a.wav")
    odd, stream = tmp_path / "odd.wav", tmp_path / "odd.cjc"
    soundfile.write(odd, np.random.default_rng(0).normal(0, 0.1, (2000, 3)), 12345)
    encode_decode.encode(model, odd, stream, 3, silent)
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello")
    soundfile.write(folder / "nan.wav", np.full(100, np.nan), 16000, subtype="FLOAT")
    (folder / "damaged.cjc").write_bytes(b"\x8bCJ\x01 and no more")
    (folder / "there.cjc").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    out = folder / "out.cjc"
    for words, message in [
        (["encode", folder / "missing.wav", out], "missing.wav: cannot be read (No such file or directory)"),
        (["encode", folder / "empty.wav", out], "empty.wav: is an empty file"),
        (["encode", folder / "text.wav", out], "text.wav: is not audio"),
        (["encode", folder / "nan.wav", out], "nan.wav: holds NaN or infinite samples"),
        (["encode", folder, out], "bad: "),
        (["encode", clip, folder], "bad: is a folder; name a file"),
        (["encode", clip, folder / "there.cjc"], "there.cjc: exists already; name another file, or"),
        (["encode", clip, folder / "no" / "out.cjc"], "out.cjc: cannot be written (No such file or directory)"),
        (["encode", clip, out, "--num_quantizers", "4"], "--num_quantizers 4: this model has 3; give 1 to 3"),
        (["decode", folder / "missing.cjc", folder / "o.wav"], "missing.cjc: cannot be read (No such file"),
        (["decode", folder, folder / "o.wav"], "bad: cannot be read (Is a directory)"),
        (["decode", folder / "damaged.cjc", folder / "o.wav"], "damaged.cjc: is truncated or damaged"),
        (["decode", clip, folder / "o.wav"], "a.wav: is no stream of codec encode"),
        (["decode", stream, folder / "o.mp3"], ".mp3 can't hold 3 channels at 12345 Hz"),
        (["decode", clip, folder / "o.txt"], "o.txt: can't tell a format from its name; end it with .wav"),
    ]:
        code, text, error = call(monkeypatch, capsys, *words, "--model", model.folder)
        assert (code, text, error.count("\n")) == (2, "", 1), error
        assert error.startswith("error: ")
        assert message in error
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_force_replaces_a_file_even_the_one_that_is_read(model: Trained, write_clip: Make) -> None:
    clip = write_clip("a.wav")
    for words in (["encode", clip, clip], ["decode", clip, clip]):
        result = CliRunner().invoke(cli, [*map(str, words), "--model", str(model.folder), "--force"])
        assert result.exit_code == 0, result.exception
    assert soundfile.info(clip).frames == 16000


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_nothing(
    model: Trained, write_clip: Make, tmp_path: Path, small_disk: Callable[..., list[str]]
) -> None:
    stream = tmp_path / "a.cjc"
    encode_decode.encode(model, write_clip("a.wav", 10.0), stream, 3, silent)
    (tmp_path / "disk").mkdir()
    script = (
        "import os, sys; from codec.cli import main\n"
        "disk, stream, model = sys.argv[1:]\n"
        "sys.argv = ['codec', 'decode', stream, disk + '/o.wav', '--model', model]\n"
        "try: main()\n"
        "finally: assert os.listdir(disk) == []\n"
    )
    command = small_disk(tmp_path / "disk", "100k", script, str(stream), str(model.folder))
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "the audio cannot be written: the disk is full" in done.stderr


@pytest.mark.parametrize("wrong", [{"stages": 4}, {"channels": 5}, {"rate": 0}, {"gains": (0.0,)}])
def test_a_forged_header_with_a_right_check_sum_is_one_line(
    model: Trained, tmp_path: Path, wrong: dict[str, object]
) -> None:
    header = replace(Header(model.id, 2, 3, 16000, 20, (1.0, 1.0)), **wrong)  # type: ignore[arg-type]
    with (tmp_path / "a.cjc").open("wb") as file:
        Writer(file, header, Fixed(len(header.gains), header.stages, model.code_bits)).finish()
    with pytest.raises(UserError, match="its header is none that codec encode has written"):
        encode_decode.decode(model, tmp_path / "a.cjc", tmp_path / "a.wav", ".wav", silent)


@pytest.mark.parametrize("pieces", [[3 * 20000], [1, 19999, 40000], [777] * 77 + [171]])
def test_blocks_give_what_the_whole_gives_where_frames_differ(
    differing: Trained, monkeypatch: pytest.MonkeyPatch, pieces: list[int]
) -> None:
    monkeypatch.setattr(encode_decode, "BLOCK_SECONDS", 1)  # 3000 frames: one budget
    levels = torch.logspace(0, -2, 60)[torch.randperm(60)].repeat_interleave(1000)
    audio = normalize(torch.randn(2, 60000) * levels)[0]
    with torch.inference_mode():
        whole = differing.model.encode(audio.unsqueeze(1))
        sound = differing.model.decode(whole, 60000)[:, 0]
    codes = torch.cat(list(encode_decode.encode_pieces(differing, audio.split(pieces, dim=1), 6)), dim=-1)
    assert codes.shape == whole.shape == (2, 15, 3000)
    assert (whole == ABSENT).any()
    assert (codes == whole).float().mean() > 0.999
    streamed = torch.cat(list(encode_decode.decode_pieces(differing, whole.split(428, dim=-1))), dim=-1)
    torch.testing.assert_close(streamed, sound, atol=1e-5, rtol=1e-4)


def test_each_block_of_frames_spends_its_own_budget(differing: Trained) -> None:
    loud_then_fainter = torch.cat([torch.randn(1, BLOCK_FRAMES * 20), 0.3 * torch.randn(1, 30000)], 1) * 0.15
    blocks = list(encode_decode.encode_pieces(differing, loud_then_fainter.split(50_000, dim=1), 6))
    assert [block.shape for block in blocks] == [(1, 15, BLOCK_FRAMES), (1, 15, 1500)]
    for block in blocks:
        mean = float((block != ABSENT).sum()) / block.shape[-1]
        assert mean == pytest.approx(6 - 4 / 4, rel=0.01)  # a count and a code take four bits


@pytest.mark.parametrize(("seconds", "channels", "stages"), [(1.0, 1, 6), (2.0, 2, 6), (3.0, 1, 3), (12.0, 1, 2)])
def test_the_bitrate_is_the_nominal_one_with_all_counts(
    differing: Trained, tmp_path: Path, seconds: float, channels: int, stages: int
) -> None:
    random = np.random.default_rng(0)
    steps = np.repeat(np.logspace(0, -2, 20), 2000)
    noise = random.normal(0, 0.1, (round(seconds * 16000), channels))
    source = tmp_path / "a.wav"
    soundfile.write(source, noise * np.resize(steps, (len(noise), 1)), 16000)
    coded = encode_decode.encode(differing, source, source.with_suffix(".cjc"), stages, silent)
    assert (coded.coded_channels, coded.quantizers) == (channels, stages)
    assert coded.nominal_kbps == pytest.approx(channels * stages * 3.2)
    header = 29 + 4 * (channels - 1)
    assert coded.kbps == pytest.approx(coded.nominal_kbps + header * 8 / seconds / 1000, rel=0.02)
    assert coded.kbps <= coded.nominal_kbps + (header + 4) * 8 / seconds / 1000  # two half bytes in each of two blocks
    if seconds >= 3:
        assert coded.kbps == pytest.approx(coded.nominal_kbps, rel=0.02)
    decoded = source.with_suffix(".flac")
    assert encode_decode.decode(differing, source.with_suffix(".cjc"), decoded, ".flac", silent) == coded
    assert soundfile.info(decoded).frames == len(noise)


@pytest.mark.parametrize(("length", "rate", "channels"), [(1, 16000, 1), (21, 16000, 1), (5001, 44100, 3)])
def test_frames_that_differ_come_back_at_any_rate_length_and_number_of_channels(
    differing: Trained, tmp_path: Path, length: int, rate: int, channels: int
) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, (length, channels)), rate)
    _, audio, decoded_rate = round_trip(differing, tmp_path / "a.wav")
    assert (audio.shape, decoded_rate) == ((length, channels), rate)


def test_more_codes_come_nearer_to_the_sound(differing: Trained, write_clip: Make) -> None:
    clip = write_clip("a.wav", 2.0)
    original, errors = soundfile.read(clip)[0], []
    for stages in (2, 4, 6):
        stream, out = clip.with_suffix(f".{stages}"), clip.with_suffix(".flac")
        encode_decode.encode(differing, clip, stream, stages, silent)
        encode_decode.decode(differing, stream, out, ".flac", silent)
        errors.append(np.mean((soundfile.read(out)[0] - original) ** 2))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * np.mean(original**2)


def test_silence_takes_little_more_than_its_counts(differing: Trained, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((16000, 2)), 16000)
    coded, audio, _ = round_trip(differing, tmp_path / "a.wav")
    assert coded.coded_channels == 1
    assert coded.kbps <= coded.nominal_kbps + 0.3
    assert np.abs(audio).max() < 1e-3


@pytest.mark.parametrize("varying", [True, False])
def test_a_stream_of_the_other_version_is_one_line(
    differing: Trained, model: Trained, tmp_path: Path, varying: bool
) -> None:
    one, name = (model, "a") if varying else (differing, "b")
    header = Header(one.id, 1, 2, 16000, 20, (1.0,), varying=varying)
    packing = Varying(1, 15, 4) if varying else Fixed(1, 2, 4)
    with (tmp_path / name).open("wb") as file:
        writer = Writer(file, header, packing)
        writer.add(np.zeros((1, 15 if varying else 2, 1), np.int64))
        writer.finish()
    with pytest.raises(UserError, match=f"{name}: its header is none that codec encode has written"):
        encode_decode.decode(one, tmp_path / name, tmp_path / "a.wav", ".wav", silent)


def test_a_model_with_the_other_kind_of_frames_refuses_a_stream(
    differing: Trained, model: Trained, write_clip: Make
) -> None:
    clip = write_clip("a.wav")
    for one, other in ((differing, model), (model, differing)):
        encode_decode.encode(one, clip, clip.with_suffix(".cjc"), one.stages(None), silent)
        with pytest.raises(UserError, match=f"was made with model {one.id.hex()}"):
            encode_decode.decode(other, clip.with_suffix(".cjc"), clip.with_suffix(".flac"), ".flac", silent)


def test_a_mean_that_pays_for_no_code_is_refused(differing: Trained) -> None:
    with pytest.raises(UserError, match="--num_quantizers 1: this model has 6; give 2 to 6"):
        differing.stages(1)
    assert [differing.stages(None), differing.stages(2)] == [6, 2]


@pytest.mark.parametrize("mean", [0, 3])
def test_a_code_that_the_model_does_not_have_is_one_line(make_checkpoint: Make, tmp_path: Path, mean: int) -> None:
    one = trained.load(make_checkpoint(root="odd", codebook_size=9, mean_quantizers=mean))
    packing = Varying(1, 3, 4) if mean else Fixed(1, 3, 4)
    with (tmp_path / "a").open("wb") as file:
        writer = Writer(file, Header(one.id, 1, 3, 16000, 20, (1.0,), varying=bool(mean)), packing)
        writer.add(np.array([[[8], [9], [0]]]))
        writer.finish()
    with pytest.raises(UserError, match="a: holds a code that its model does not have"):
        encode_decode.decode(one, tmp_path / "a", tmp_path / "a.wav", ".wav", silent)
