"""Whole runs of the trainer, as the processes that they are."""

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch

from helpers import wait_until

EPOCHS = 6


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_a_run_leaves_what_the_contract_says(trainer) -> None:
    run = trainer("run")
    code, out, err = run.run(keep_checkpoints=1)
    assert (code, err) == (0, "")

    (start,) = run.rows("start")
    assert start["steps_per_epoch"] == 13  # five seconds in crops of 0.1, four at a time, rounded up
    assert (start["planned_steps"], start["step"], start["resumed_from"]) == (26, 0, None)
    assert start["config"] == json.loads((run.folder / "config.json").read_text())
    assert "learning_rate 0.001" in out

    validation = run.rows("validation")
    assert [(row["epoch"], row["step"]) for row in validation] == [(0, 0), (1, 13), (2, 26)]
    assert validation[-1]["loss"] != validation[0]["loss"]
    train = run.rows("train")
    assert train[-1]["step"] == 26
    assert train[0].keys() == {
        "kind", "step", "epoch", "time", "loss", "l1", "vq", "latent_power", "grad_norm", "lr",
        "audio_seconds_per_second", "nonfinite_steps", "nonfinite_run", "dead_codebook_steps", "audio_seconds",
    }  # fmt: skip
    assert train[-1]["audio_seconds"] == validation[-1]["audio_seconds"] == pytest.approx(26 * 0.4)

    assert (run.progress()["step"], run.progress()["epoch"], run.progress()["phase"]) == (26, 2, "done")
    manifest = json.loads((run.folder / "checkpoints" / "00000026" / "manifest.json").read_text())
    assert manifest["snr_db"] == validation[-1]["snr_db"]
    for epoch in ("0000", "0001", "0002"):
        names = sorted(path.name for path in (run.folder / "samples" / epoch).iterdir())
        assert names == ["0-decoded.wav", "0-original.wav"]
        assert soundfile.info(run.folder / "samples" / epoch / names[0]).frames == 16000


# Few and large batches: the discriminators' many small layers cost the same for one crop as for ten.
PERCEPTUAL = {"recipe": "perceptual", "quantizer_dropout": 0.5, "batch_size": 10}

# Frames that differ in their codes, around a lapped transform.
DIFFERING = {"num_quantizers": 15, "mean_quantizers": 6, "codebook_dim": 8, "transform": "mdct"}
DIFFERING |= {"quantizer_dropout": 0.5, "batch_size": 10}


@pytest.mark.parametrize(
    ("end", "flags", "epochs", "steps"),
    [("stop.json", {}, 6, 13), ("SIGTERM", PERCEPTUAL, 2, 5), ("SIGKILL", DIFFERING, 4, 5)],
    ids=["file", "perceptual", "kill"],
)
def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(
    trainer, end: str, flags: dict[str, object], epochs: int, steps: int
) -> None:
    """Weights, codebooks, optimizers, discriminators, counters, random numbers and the order of the data."""
    whole, broken = trainer("whole"), trainer("broken")
    assert whole.run(num_epochs=epochs, **flags)[0] == 0

    process = broken.start(num_epochs=epochs, **flags)
    wait_until(lambda: broken.progress()["phase"] == "training" and broken.progress()["epoch"] >= 1)
    if end == "stop.json":
        (broken.folder / "stop.json").write_text("{}")
    else:
        os.kill(process.pid, getattr(signal, end))
    process.communicate(timeout=300)
    assert process.returncode == (-signal.SIGKILL if end == "SIGKILL" else 3)
    assert not (broken.folder / "stop.json").exists()
    saved = sorted(path.name for path in (broken.folder / "checkpoints").iterdir() if path.name.isdigit())
    assert steps <= int(saved[-1]) < steps * epochs

    assert broken.run(num_epochs=epochs, **flags)[0] == 0
    assert broken.rows("start")[-1]["resumed_from"] == saved[-1]
    last = f"checkpoints/{steps * epochs:08d}"
    weights = [safetensors.torch.load_file(run.folder / last / "model.safetensors") for run in (whole, broken)]
    assert same(*weights)
    states = [torch.load(run.folder / last / "trainer.pt", weights_only=True) for run in (whole, broken)]
    assert same(*states)
    rows = [[row | {"time": 0} for row in run.rows("validation")] for run in (whole, broken)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == epochs + 1
    if flags == DIFFERING:
        assert rows[0][0]["snr_db"] > 5, "the transform alone, with codebooks by k-means"
        assert len(rows[0][-1]["perplexity"]) == 15
    if flags == PERCEPTUAL:
        row = whole.rows("train")[-1]
        assert {"mel_loss", "feature_loss", "adversarial_loss", "disc_loss"} < row.keys()
        assert row["disc_loss"] > 0


def test_validations_inside_an_epoch_change_nothing_but_the_rows(trainer) -> None:
    often, seldom = trainer("often"), trainer("seldom")
    assert often.run(num_epochs=1, validate_every=1.5)[0] == 0  # seconds; a step has 0.4
    assert seldom.run(num_epochs=1, validate_every=0)[0] == 0
    inside = [(row["epoch"], row["step"]) for row in often.rows("validation")]
    assert inside[:4] == [(0, 0), (0, 4), (0, 8), (0, 12)]
    assert inside[-1] == (1, 13)
    assert [(row["epoch"], row["step"]) for row in seldom.rows("validation")] == [(0, 0), (1, 13)]
    assert {"train_snr_db", "snr_db_worst", "clipped", "high_band"} < often.rows("validation")[1].keys()
    folders = [run.folder / "checkpoints/00000013" for run in (often, seldom)]
    assert same(*(safetensors.torch.load_file(folder / "model.safetensors") for folder in folders))
    assert same(*(torch.load(folder / "trainer.pt", weights_only=True) for folder in folders))


def test_a_request_that_waits_for_the_trainer_is_obeyed_at_once(trainer) -> None:
    run = trainer("run")
    run.folder.mkdir()
    (run.folder / "stop.json").write_text("{}")
    code, out, _ = run.run()
    assert code == 3
    assert "stopped on request" in out.splitlines()[-1]
    assert run.run()[0] == 0


def test_the_same_command_again_after_the_end_does_nothing_and_more_epochs_go_on(trainer) -> None:
    run = trainer("run")
    assert [run.run()[0], run.run()[0], run.run(num_epochs=3)[0]] == [0, 0, 0]
    assert [row["step"] for row in run.rows("start")] == [0, 26, 26]
    assert [row["epoch"] for row in run.rows("validation")] == [0, 1, 2, 3]


def test_a_damaged_checkpoint_is_done_again(trainer) -> None:
    """Truncated, then altered by one bit."""
    run = trainer("run")
    assert run.run()[0] == 0
    weights = run.folder / "checkpoints" / "00000026" / "model.safetensors"
    good = weights.read_bytes()
    for damaged in (good[:-1], good[:-1] + bytes([good[-1] ^ 1])):
        weights.write_bytes(damaged)
        code, out, _ = run.run()
        assert code == 0
        assert "00000026: skipped, model.safetensors is damaged" in out
        assert weights.read_bytes() == good


def test_another_batch_size_on_resume_begins_the_epoch_anew(trainer) -> None:
    run = trainer("run")
    process = run.start(num_epochs=EPOCHS)
    wait_until(lambda: run.progress()["phase"] == "training")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    process.communicate(timeout=300)
    assert run.run(num_epochs=EPOCHS, batch_size=10)[0] == 0
    start, end = run.rows("start")[-1], run.rows("validation")[-1]
    assert start["planned_steps"] == end["step"] == start["step"] + 5 * (EPOCHS - start["epoch"])


def test_a_checkpoint_that_cannot_be_gone_on_from_is_one_line(trainer, tmp_path: Path) -> None:
    """Of another architecture; and one with code in it, whoever has made its hash right."""
    run = trainer("run")
    assert run.run(num_epochs=1)[0] == 0
    for flags, complaint in (
        ({"hidden_dim": 16}, "was trained with --hidden_dim 8, not 16"),
        ({"codebook_size": 32}, "was trained with --codebook_size 16, not 32"),
        ({"sample_rate": 8000}, "was trained with --sample_rate 16000, not 8000"),
    ):
        code, _, err = run.run(**flags)
        assert (code, err.count("\n")) == (2, 1)
        assert complaint in err

    (folder,) = (run.folder / "checkpoints").iterdir()
    torch.save({"at": Intruder(tmp_path / "victim")}, folder / "trainer.pt")
    manifest = json.loads((folder / "manifest.json").read_text())
    data = (folder / "trainer.pt").read_bytes()
    manifest["files"]["trainer.pt"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = run.run()
    assert (code, err.count("\n")) == (2, 1)
    assert "trainer.pt: refused, it is not tensors and plain values alone" in err
    assert not (tmp_path / "victim").exists()


class Intruder:
    """Pickled, it is a call that makes a folder."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


def test_clips_shorter_than_a_segment_are_padded(trainer) -> None:
    run = trainer("run")
    assert run.run(segment_length=20000, num_epochs=1)[0] == 0
    (start,), row = run.rows("start"), run.rows("validation")[-1]
    assert (start["steps_per_epoch"], row["crops"]) == (2, 1)
    decoded = run.folder / "samples" / "0001" / "0-decoded.wav"
    assert soundfile.info(decoded).frames == 16000  # as long as the clip, not as the segment


def test_a_few_broken_clips_are_named_and_left_out_and_more_are_one_line(trainer) -> None:
    run = trainer("run")
    for number in range(96):
        soundfile.write(run.clips / f"short{number}.wav", np.full(50, 0.001 * (number + 1)), 16000)
    broken = [run.clips / f"broken{number}.wav" for number in range(2)]
    for path in broken:
        soundfile.write(path, np.full(50, np.inf, np.float32), 16000, subtype="FLOAT")
    code, out, err = run.run(num_epochs=1)
    assert (code, err.count("\n")) == (2, 1)
    assert (
        "2 of 104 clips cannot be used, more than 1%: broken0.wav (holds NaN or infinite samples), broken1.wav" in err
    )
    broken[1].unlink()
    code, out, err = run.run(num_epochs=1)
    assert (code, err) == (0, "")
    assert "broken0.wav: skipped, holds NaN or infinite samples" in out
    assert "clips that cannot be used and are left out: 1" in out
    assert run.rows("start")[0]["skipped_clips"] == 1


def test_silence_alone_is_one_line(trainer) -> None:
    run = trainer("run")
    for path in run.clips.iterdir():
        audio, rate = soundfile.read(path)
        soundfile.write(path, audio / 1000, rate)
    code, _, err = run.run()
    assert code == 2
    assert "silent" in err
    assert err.count("\n") == 1


def test_a_blow_up_is_recorded_and_does_not_end_the_trainer(trainer) -> None:
    """Judging is not the trainer's business: it goes on, and its rows say what happened."""
    run = trainer("run")
    assert run.run(learning_rate=1e30, warmup_steps=0)[0] == 0
    last = run.rows("train")[-1]
    assert last["nonfinite_steps"] > 5
    assert last["nonfinite_run"] > 5
    assert run.rows("validation")[-1]["snr_db"] in ("NaN", "-Infinity") or run.rows("validation")[-1]["snr_db"] < 0


def test_a_full_disk_ends_the_run_in_one_line_and_the_last_checkpoint_survives(trainer) -> None:
    run = trainer("run")
    run.folder.mkdir()
    if subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", run.folder], check=False, timeout=300
    ).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    script = (
        'folder="$1"; shift; mount -t tmpfs -o size=3m none "$folder"; "$@"; echo "exit $?"; '
        'find "$folder/checkpoints" -mindepth 1 -maxdepth 1'
    )
    command = run.command(num_epochs=100, keep_checkpoints=100)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", run.folder, *command],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.stderr.startswith("error: ")
    assert "disk is full" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "exit 2" in done.stdout
    kept = [line for line in done.stdout.splitlines() if line.startswith(f"{run.folder}/checkpoints/")]
    assert len(kept) > 1
    assert not [line for line in kept if "/." in line]
