import copy
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from codec.config import ModelConfig, TrainConfig
from codec.errors import UserError
from codec.model import checkpoint
from codec.model.codec import Codec

MODEL = ModelConfig(hidden_dim=8, strides=(2, 2), num_quantizers=2, codebook_size=8, codebook_dim=4)
CONFIG = TrainConfig(data_dir="clips", model=MODEL)


def save(root: Path, step: int, snr_db: float | None = None, model: Codec | None = None) -> Path:
    trainer = {"step": step, "rng": torch.get_rng_state()}
    return checkpoint.save(root, model or Codec(MODEL), CONFIG, trainer, step=step, epoch=step, snr_db=snr_db)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def quiet(_: str) -> None:
    pass


def test_what_is_saved_is_restored(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, other = Codec(MODEL), Codec(MODEL)
    folder = save(tmp_path, 12, 3.5, model)
    assert names(folder) == ["config.json", "manifest.json", "model.safetensors", "trainer.pt"]
    assert checkpoint.newest_complete(tmp_path, quiet) == folder == tmp_path / "00000012"
    assert checkpoint.restore(folder, other)["step"] == 12
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    manifest = checkpoint.read_manifest(folder)
    assert (manifest["step"], manifest["epoch"], manifest["finite"], manifest["snr_db"]) == (12, 12, True, 3.5)


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.pt", "config.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_skipped_and_said(tmp_path: Path, name: str, damage: str) -> None:
    good, bad = save(tmp_path, 1), save(tmp_path, 2)
    data = bytearray((bad / name).read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        (bad / name).unlink()
    else:
        (bad / name).write_bytes(data if damage == "flip" else data[:-1])
    said: list[str] = []
    assert checkpoint.newest_complete(tmp_path, said.append) == good
    assert len(said) == 1
    assert name in said[0]


def test_folders_that_were_never_finished_do_not_count(tmp_path: Path) -> None:
    good = save(tmp_path, 1)
    (save(tmp_path, 2) / "manifest.json").unlink()
    save(tmp_path, 3).rename(tmp_path / ".00000003.partial")
    assert checkpoint.newest_complete(tmp_path, quiet) == good


def test_a_torn_manifest_is_skipped(tmp_path: Path) -> None:
    good = save(tmp_path, 1)
    (save(tmp_path, 2) / "manifest.json").write_text('{"step": ')
    assert checkpoint.newest_complete(tmp_path, quiet) == good


def test_no_folder_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.newest_complete(tmp_path / "none", quiet) is None


def test_weights_that_are_not_finite_are_kept_but_never_resumed_from(tmp_path: Path) -> None:
    good = save(tmp_path, 1)
    model = Codec(MODEL)
    model.quantizer.ema_sum[0, 0, 0] = torch.inf
    broken = save(tmp_path, 2, float("nan"), model)
    assert checkpoint.read_manifest(broken)["finite"] is False
    assert json.loads((broken / "manifest.json").read_text())["snr_db"] == "NaN"
    assert checkpoint.newest_complete(tmp_path, quiet) == good
    checkpoint.prune(tmp_path, keep=1)
    assert names(tmp_path) == ["00000001", "00000002"]


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"hidden_dim": 16}, "--hidden_dim 8, not 16"),
        ({"strides": (2, 4)}, "--strides 2,2, not 2,4"),
        ({"codebook_size": 16}, "--codebook_size 8, not 16"),
        ({"sample_rate": 8000}, "--sample_rate 16000, not 8000"),
    ],
)
def test_another_architecture_names_the_flag(tmp_path: Path, change: dict[str, Any], flag: str) -> None:
    folder = save(tmp_path, 1)
    same = {"hidden_dim": 8, "strides": (2, 2), "num_quantizers": 2, "codebook_size": 8, "codebook_dim": 4}
    with pytest.raises(UserError, match=flag):
        checkpoint.restore(folder, Codec(ModelConfig(**{**same, **change})))


def test_a_checkpoint_from_before_a_flag_was_there_has_its_default(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    known = json.loads((folder / checkpoint.CONFIG).read_text())
    earlier = {name: value for name, value in known.items() if name not in ("mean_quantizers", "transform")}
    (folder / checkpoint.CONFIG).write_text(json.dumps(earlier))
    assert checkpoint.restore(folder, Codec(MODEL))["step"] == 1
    with pytest.raises(UserError, match="--transform none, not mdct"):
        checkpoint.restore(folder, Codec(replace(MODEL, transform="mdct")))


class Intruder:
    """Pickled, it is a call that makes a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_though_its_hash_is_right_and_nothing_of_it_runs(
    tmp_path: Path, zipped: bool
) -> None:
    model = Codec(MODEL)
    folder = save(tmp_path / "run", 1, model=Codec(MODEL))
    before = copy.deepcopy(model.state_dict())
    state = {"step": 1, "rng": Intruder(tmp_path / "victim")}
    torch.save(state, folder / "trainer.pt", _use_new_zipfile_serialization=zipped)
    manifest = checkpoint.read_manifest(folder)
    data = (folder / "trainer.pt").read_bytes()
    manifest["files"]["trainer.pt"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert checkpoint.newest_complete(tmp_path / "run", quiet) == folder
    with pytest.raises(UserError, match=r"trainer\.pt: refused, it is not tensors") as caught:
        checkpoint.restore(folder, model)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "victim").exists()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    torch.load(folder / "trainer.pt", weights_only=False)
    assert (tmp_path / "victim").exists()  # so it was dangerous


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step, snr_db in enumerate((1.0, 9.0, 2.0, float("nan"), None, 3.0)):
        save(tmp_path, step, snr_db)
    checkpoint.prune(tmp_path, keep=2)
    assert names(tmp_path) == ["00000001", "00000004", "00000005"]


def test_a_skipped_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    (save(tmp_path, 1) / "model.safetensors").unlink()
    assert checkpoint.newest_complete(tmp_path, quiet) is None
    assert checkpoint.newest_complete(tmp_path, quiet) != save(tmp_path, 1)
    assert names(tmp_path) == ["00000001"]
    assert checkpoint.newest_complete(tmp_path, quiet) == tmp_path / "00000001"


SAVE_TWICE = """
import sys
from pathlib import Path
import torch
from codec.model import checkpoint
from codec.config import ModelConfig, TrainConfig
from codec.errors import UserError
from codec.model.codec import Codec
root = Path(sys.argv[1])
model = ModelConfig(hidden_dim=8, strides=(2, 2), num_quantizers=2, codebook_size=8, codebook_dim=4)
config = TrainConfig(data_dir="clips", model=model)
for step, ballast in ((1, 0), (2, 3_000_000)):
    trainer = {"ballast": torch.zeros(ballast, dtype=torch.uint8)}
    try:
        checkpoint.save(root, Codec(model), config, trainer, step=step, epoch=step, snr_db=None)
    except UserError as error:
        print(error)
print(sorted(path.name for path in root.iterdir()), checkpoint.newest_complete(root, print))
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_good_checkpoint_and_says_so(
    tmp_path: Path, small_disk: Callable[..., list[str]]
) -> None:
    root = tmp_path / "small"
    root.mkdir()
    done = subprocess.run(
        small_disk(root, "2m", SAVE_TWICE), check=True, text=True, stdout=subprocess.PIPE, timeout=120
    )
    good = root / "00000001"
    assert done.stdout.splitlines() == [
        f"{root}: the disk is full, step 2 is not saved; the last good checkpoint is {good}; "
        "make room and run it again",
        f"['00000001'] {good}",
    ]


@pytest.mark.slow
def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    """The same on any machine: a limit on file sizes makes the write of trainer.pt fail in its middle."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + SAVE_TWICE, tmp_path], check=True, text=True, stdout=subprocess.PIPE, timeout=120
    )
    good = tmp_path / "00000001"
    assert done.stdout.splitlines() == [
        f"{tmp_path}: step 2 cannot be saved (File too large); the last good checkpoint is {good}",
        f"['00000001'] {good}",
    ]
