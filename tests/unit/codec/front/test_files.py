"""`codec encode` and `codec decode` with the shipped codec: files in, files out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.cli import cli
from codec.errors import UserError
from codec.front import files, stream
from front_audio import voice_like

DEFAULT = files.Goal()
ROOT = Path(__file__).parents[4]


def silent(_: float) -> None: ...


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)


def clip(path: Path, audio: npt.NDArray[np.float32], rate: int = 16_000, **options: str) -> Path:
    soundfile.write(path, audio, rate, **options)
    return path


def there_and_back(source: Path, goal: files.Goal = DEFAULT) -> tuple[files.Coded, Path]:
    coded, back = source.with_suffix(".cjc"), source.with_name(f"{source.stem}-back.wav")
    summary = files.encode(source, coded, goal, silent)
    files.decode(coded, back, ".wav", False, silent)
    return summary, back


def snr(source: Path, back: Path) -> float:
    (x, _), (y, _) = soundfile.read(source), soundfile.read(back)
    return float(10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)))


def test_the_commands_work_without_a_model(tmp_path: Path) -> None:
    source = clip(tmp_path / "talk.wav", voice_like(4.0))
    coded, back = tmp_path / "talk.cjc", tmp_path / "out.wav"
    result = call("encode", source, coded, "--kbps", 16)
    assert result.exit_code == 0, result.exception
    assert "4.0 s, 1 channel, " in result.output
    assert "kbit/s (16 asked)" in result.output
    result = call("decode", coded, back, "--json")
    facts = json.loads(result.output)
    assert (facts["file"], facts["bytes"], facts["seconds"]) == (str(back), coded.stat().st_size, 4.0)
    assert facts["kbps"] == pytest.approx(coded.stat().st_size * 8 / 4000)
    assert facts["delay_ms"] <= 60
    assert snr(source, back) > 12


@pytest.mark.parametrize("decibels", [12.0, 24.0, 40.0])
def test_an_snr_that_is_asked_for_is_kept(tmp_path: Path, decibels: float) -> None:
    source = clip(tmp_path / "a.wav", voice_like(6.0) * 0.3, subtype="FLOAT")
    result = call("encode", source, tmp_path / "a.cjc", "--snr", decibels)
    assert "(an SNR was asked)" in result.output
    call("decode", tmp_path / "a.cjc", tmp_path / "b.wav")
    assert snr(source, tmp_path / "b.wav") == pytest.approx(decibels, abs=0.6)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_come_back(tmp_path: Path, rate: int, channels: int) -> None:
    audio = np.stack([voice_like(1.5, rate, seed) for seed in range(channels)], 1)
    source = clip(tmp_path / "a.wav", audio, rate)
    summary, back = there_and_back(source, files.Goal(24.0 * channels))
    info = soundfile.info(back)
    assert (info.samplerate, info.channels, info.frames) == (rate, channels, len(audio))
    assert (summary.channels, summary.coded_channels) == (channels, channels)
    assert snr(source, back) > 8


def test_equal_channels_are_coded_once(tmp_path: Path) -> None:
    mono = voice_like(2.0)
    one, _ = there_and_back(clip(tmp_path / "a.wav", mono))
    two, back = there_and_back(clip(tmp_path / "b.wav", np.stack([mono, mono], 1)))
    assert (two.coded_channels, two.channels, two.bytes) == (1, 2, one.bytes)
    left, right = soundfile.read(back)[0].T
    assert np.array_equal(left, right)


@pytest.mark.parametrize("tuning", ["ear", "waveform", "vector"])
@pytest.mark.parametrize("kbps", [6.0, 64.0])
@pytest.mark.parametrize(
    "sound", ["10 ms", "one sample", "silence", "white noise", "full scale", "music", "very quiet", "a step"]
)
def test_odd_audio_does_not_break_it(tmp_path: Path, sound: str, kbps: float, tuning: str) -> None:
    random, time = np.random.default_rng(0), np.arange(24_000) / 16_000
    audio = {
        "10 ms": voice_like(1.0)[:160],
        "one sample": np.full(1, 0.5),
        "silence": np.zeros(24_000),
        "white noise": random.normal(0, 0.2, 24_000),
        "full scale": np.sign(np.sin(2 * np.pi * 440 * time)),
        "music": sum(0.1 * np.sin(2 * np.pi * f * time) for f in (220, 277.2, 329.6, 440, 1760, 5000)),
        "very quiet": voice_like(1.5) * 1e-4,
        "a step": (time > 0.7) * 0.9,
    }[sound]
    source = clip(tmp_path / "a.wav", np.asarray(audio, np.float32), subtype="FLOAT")
    vector = files.Goal(kbps, quantizer="vector")
    _, back = there_and_back(source, vector if tuning == "vector" else files.Goal(kbps, tuning))
    decoded, _ = soundfile.read(back)
    assert len(decoded) == len(audio)
    assert np.sqrt(np.mean(decoded**2)) <= 1.3 * np.sqrt(np.mean(np.square(audio))) + 1e-3


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.wav", voice_like(1.0))
    stereo = clip(tmp_path / "s.wav", np.stack([voice_like(1.0), voice_like(1.0, seed=1)], 1))
    (tmp_path / "text.wav").write_text("hello")
    clip(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), subtype="FLOAT")
    (tmp_path / "new.cjc").write_bytes(b"\x8bCJ\x09 and more")
    (tmp_path / "old.cjc").write_bytes(b"\x8bCJ\x01 and more")
    (tmp_path / "cut.cjc").write_bytes(b"\x8bCJ\x03 and")
    before = sorted(tmp_path.iterdir())
    out, back = tmp_path / "out.cjc", tmp_path / "o.wav"
    for words, message in [
        (["encode", source, out, "--kbps", "5.9"], "--kbps 5.9: give 6 to 64"),
        (["encode", source, out, "--kbps", "65"], "--kbps 65: give 6 to 64"),
        (["encode", source, out, "--kbps", "-1e300"], "--kbps -1e+300: give 6 to 64"),
        (["encode", source, out, "--kbps", "nan"], "--kbps nan: give 6 to 64"),
        (["encode", stereo, out, "--kbps", "8"], "--kbps 8: give 12 to 128 for 2 channels that differ"),
        (["encode", source, out, "--num_quantizers", "4"], "--num_quantizers is for a trained model"),
        (
            ["encode", source, out, "--kbps", "8", "--model", "run"],
            "--kbps, --tune, --snr and --quantizer are for the shipped codec",
        ),
        (["encode", source, out, "--snr", "61"], "--snr 61: give 5 to 60 dB"),
        (["encode", source, out, "--snr", "nan"], "--snr nan: give 5 to 60 dB"),
        (["encode", source, out, "--snr", "20", "--kbps", "8"], "--snr takes what rate it needs"),
        (["encode", tmp_path / "missing.wav", out], "missing.wav: cannot be read (No such file or directory)"),
        (["encode", tmp_path / "text.wav", out], "text.wav: is not audio"),
        (["encode", tmp_path / "nan.wav", out], "nan.wav: holds NaN or infinite samples"),
        (["decode", tmp_path / "missing.cjc", back], "missing.cjc: cannot be read (No such file or directory)"),
        (["decode", tmp_path, back], "cannot be read (Is a directory)"),
        (["decode", source, back], "a.wav: is no stream of codec encode"),
        (["decode", tmp_path / "new.cjc", back], "is a stream of version 9, this codecjob reads 1 to 3; update it"),
        (["decode", tmp_path / "cut.cjc", back], "cut.cjc: its header is damaged"),
        (["decode", tmp_path / "cut.cjc", back, "--model", "run"], "was made by the shipped codec"),
        (["decode", tmp_path / "old.cjc", back, "--salvage"], "only streams of the shipped codec can be salvaged"),
        (["decode", tmp_path / "cut.cjc", tmp_path / "o.txt"], "o.txt: can't tell a format from its name"),
    ]:
        result = call(*words)
        assert isinstance(result.exception, UserError), (words, result.exception)
        assert message in str(result.exception)
        assert "\n" not in str(result.exception)
        assert sorted(tmp_path.iterdir()) == before


def test_a_stream_of_other_tables_is_refused(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.wav", voice_like(0.5))
    there_and_back(source)
    data = (tmp_path / "a.cjc").read_bytes()
    with (tmp_path / "a.cjc").open("rb") as file:
        header = stream.read_header(tmp_path / "a.cjc", file)
    with (tmp_path / "b.cjc").open("wb") as file:
        stream.Writer(file, stream.Header(**(header.__dict__ | {"tables": b"\0\0\0\1"})))
        file.write(data[file.tell() :])
    with pytest.raises(UserError, match="was made with tables 00000001, this codecjob has"):
        files.decode(tmp_path / "b.cjc", tmp_path / "b.wav", ".wav", False, silent)


def test_a_damaged_second_is_lost_alone(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.wav", voice_like(6.0))
    _, back = there_and_back(source)
    whole, _ = soundfile.read(back)
    data = bytearray((tmp_path / "a.cjc").read_bytes())
    data[len(data) // 2] ^= 0x10
    (tmp_path / "bad.cjc").write_bytes(data)
    result = call("decode", tmp_path / "bad.cjc", tmp_path / "bad.wav")
    assert isinstance(result.exception, UserError)
    assert not (tmp_path / "bad.wav").exists()
    result = call("decode", tmp_path / "bad.cjc", tmp_path / "bad.wav", "--salvage")
    assert "s were damaged and are silent" in result.output
    saved, _ = soundfile.read(tmp_path / "bad.wav")
    assert len(saved) == len(whole)
    different = np.flatnonzero(np.abs(saved - whole) > 1e-3)
    assert 0 < np.ptp(different) < 1.35 * 16_000
    # A stream that was cut off ends where it was cut.
    (tmp_path / "cut.cjc").write_bytes(bytes(data[: len(data) // 3]))
    files.decode(tmp_path / "cut.cjc", tmp_path / "cut.wav", ".wav", True, silent)
    assert 0 < soundfile.info(tmp_path / "cut.wav").frames < 4 * 16_000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), salvage=st.booleans())
def test_damage_ends_in_one_line_or_in_audio(tmp_path: Path, data: st.DataObject, salvage: bool) -> None:
    if not (tmp_path / "a.cjc").exists():
        there_and_back(clip(tmp_path / "a.wav", voice_like(2.0)))
    whole = bytearray((tmp_path / "a.cjc").read_bytes())
    for index in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        whole[index] ^= data.draw(st.integers(1, 255))
    (tmp_path / "b.cjc").write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        files.decode(tmp_path / "b.cjc", tmp_path / "b.wav", ".wav", salvage, silent)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert soundfile.info(tmp_path / "b.wav").frames <= 32_000


def python(script: str, *words: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


def test_neither_torch_nor_scipy_is_loaded(tmp_path: Path) -> None:
    source = clip(tmp_path / "a.wav", voice_like(0.5))
    script = (
        "import sys; from codec.cli import cli\n"
        "source, coded, back = sys.argv[1:]\n"
        "cli.main(['encode', source, coded], standalone_mode=False)\n"
        "cli.main(['decode', coded, back], standalone_mode=False)\n"
        "print('heavy:', *({'torch', 'torchaudio', 'scipy', 'safetensors'} & set(sys.modules)))\n"
    )
    assert python(script, source, tmp_path / "a.cjc", tmp_path / "b.wav").splitlines()[-1] == "heavy:"


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from codec.front import files\n"
        "peaks = []\n"
        "for name in sys.argv[1:]:\n"
        "    coded = Path(name).with_suffix('.cjc')\n"
        "    files.encode(Path(name), coded, files.Goal(), lambda done: None)\n"
        "    files.decode(coded, Path(name + '.wav'), '.wav', False, lambda done: None)\n"
        "    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(*peaks)\n"
    )
    sources = [tmp_path / f"{seconds}.wav" for seconds in (20, 120)]
    for source in sources:
        noise = np.random.default_rng(0).integers(-3000, 3000, int(source.stem) * 16_000, dtype=np.int16)
        soundfile.write(source, noise, 16_000)
    short, long = map(int, python(script, *sources).split())
    assert long - short < 5_000  # KiB; 100 s more are 6,250 as float32
