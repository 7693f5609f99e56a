"""The samples of a record on a page."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from job.record.run import Run
from job.report import samples

AddSample = Callable[..., None]
RANDOM = np.random.default_rng(1)
NOISE = RANDOM.normal(0, 0.1, 8000)


@pytest.mark.parametrize(
    ("epochs", "most", "chosen"),
    [
        ([], 8, []),
        ([3], 8, [3]),
        (range(5), 8, [0, 1, 2, 3, 4]),
        (range(101), 5, [0, 25, 50, 75, 100]),
        (range(9), 1, [8]),
    ],
)
def test_the_epochs_that_are_shown_have_the_first_and_the_newest_among_them(
    epochs: range, most: int, chosen: list[int]
) -> None:
    assert samples.spread(list(epochs), most) == chosen


def test_what_is_heard_is_the_wav_to_the_last_bit(run: Run, add_sample: AddSample) -> None:
    exact = RANDOM.integers(-32768, 32767, 8000).astype(np.int16)
    add_sample(1, 0, 0, "original", exact)
    add_sample(1, 0, 0, "decoded", np.zeros(8000))
    add_sample(1, 1, 0, "original", exact)
    add_sample(1, 1, 0, "decoded", (exact * 0.9).astype(np.int16))
    (sample,) = samples.read(run, prefixes=["runs/" + run.run_id + "/attempts/1"]).shown
    assert sample.original is not None
    kind, _, data = sample.original.sound.partition(";base64,")
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
    assert (kind, rate, heard.tolist()) == ("data:audio/flac", 8000, exact.tolist())
    assert (sample.original.seconds, sample.original.snr_db) == (1.0, None)
    untrained, trained = sample.decoded
    assert untrained.snr_db == pytest.approx(0.0)
    assert trained.snr_db == pytest.approx(20.0, abs=0.01)
    assert trained.picture.startswith("data:image/png;base64,")


def test_of_an_epoch_that_was_trained_twice_the_newest_attempt_is_heard(
    run: Run, add_attempt: Callable[..., None], add_sample: AddSample
) -> None:
    add_attempt(1, [])
    add_attempt(2, [])
    add_sample(1, 1, 0, "original", NOISE)
    add_sample(1, 1, 0, "decoded", np.zeros(8000))
    add_sample(2, 1, 0, "original", NOISE)
    add_sample(2, 1, 0, "decoded", NOISE * 0.9)
    (sample,) = samples.read(run).shown
    assert [clip.snr_db for clip in sample.decoded] == [pytest.approx(20.0, abs=0.1)]


def test_many_epochs_are_thinned_and_said_to_be(run: Run, add_sample: AddSample) -> None:
    for epoch in range(20):
        add_sample(1, epoch, 0, "decoded")
    found = samples.read(run, 8, [run.attempt(1).prefix])
    assert [clip.epoch for clip in found.shown[0].decoded] == [0, 3, 5, 8, 11, 14, 16, 19]
    assert found.left_out == ("12 of 20 epochs",)
    assert found.shown[0].original is None


def test_a_page_has_a_size_that_a_phone_can_load(
    run: Run, add_sample: AddSample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MOST_BYTES", 70_000)  # four of these
    for epoch in range(8):
        for number in range(6):
            add_sample(1, epoch, number, "decoded")
    found = samples.read(run, 8, [run.attempt(1).prefix])
    assert [sample.number for sample in found.shown] == [0, 1, 2, 3]
    assert {len(sample.decoded) for sample in found.shown} == {1}
    assert {clip.epoch for sample in found.shown for clip in sample.decoded} == {7}
    assert found.left_out == ("samples 4 to 5", "7 of 8 epochs")


def test_what_cannot_be_shown_is_named(run: Run, add_sample: AddSample, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = run.attempt(1).prefix
    add_sample(1, 1, 0, "original")
    add_sample(1, 1, 0, "decoded", np.zeros(0))
    run.store.put(f"{prefix}/samples/0001/1-decoded.wav", b"RIFF, or nearly so")
    run.store.put(f"{prefix}/samples/0001/notes.txt", b"not a sample")
    run.store.put(f"{prefix}/samples/0001/2-decoded.wav", bytes(20_000))
    monkeypatch.setattr(samples, "MOST_BYTES", 18_000)
    found = samples.read(run, 8, [prefix])
    assert [(sample.number, sample.decoded) for sample in found.shown] == [(0, ())]
    empty, broken, large = found.left_out
    assert empty == "0001/0-decoded.wav, which is empty"
    assert broken == "0001/1-decoded.wav, which cannot be read as audio"
    assert large.startswith("0001/2-decoded.wav, which is larger than")


def test_a_record_without_samples_has_none(run: Run) -> None:
    assert samples.read(run) == samples.Samples()
