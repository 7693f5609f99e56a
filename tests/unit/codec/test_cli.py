import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from codec.cli import cli
from codec.config import TrainConfig, flag_fields, spell


def codec(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(
        [sys.executable, "-m", "codec", *arguments],
        cwd=cwd,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_help_has_every_flag_and_does_not_import_torch() -> None:
    script = (
        "import sys; from codec.cli import main; sys.argv = ['codec', 'train', '--help']\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules and 'wandb' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True, timeout=120)
    shown = set(re.findall(r"^  (?:-h, )?--([a-z_]+)", done.stdout, re.MULTILINE))
    assert shown == {item.name for item in flag_fields()} | {"help"}


def test_the_flags_defaults_are_the_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainConfig] = []
    monkeypatch.setattr("codec.cli._start", lambda config: seen.append(config) or 0)
    CliRunner().invoke(cli, ["train", "--data_dir", "clips"], standalone_mode=False, catch_exceptions=False)
    assert seen == [TrainConfig(data_dir="clips")]


def test_every_flag_reaches_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainConfig] = []
    monkeypatch.setattr("codec.cli._start", lambda config: seen.append(config) or 0)
    values = {
        "data_dir": "d", "checkpoint_dir": "c", "experiment_name": "e", "sample_rate": 8000, "hidden_dim": 64,
        "strides": [2, 4], "num_quantizers": 3, "mean_quantizers": 2, "codebook_size": 32, "codebook_dim": 5,
        "transform": "mdct", "segment_length": 4000,
        "batch_size": 7, "num_epochs": 2, "learning_rate": 0.1234567, "warmup_steps": 9, "grad_clip": 0.5,
        "commitment_weight": 0.75, "ema_decay": 0.9, "validation_share": 0.3, "keep_checkpoints": 4, "seed": 11,
        "validate_every": 100.0,
        "device": "cpu", "use_wandb": True, "wandb_mode": "offline", "preset": "24khz-2kbps", "recipe": "perceptual",
        "quantizer_dropout": 0.25, "precision": "fp32", "compile": "off",
    }  # fmt: skip
    arguments = ["train", "--use_wandb"]
    for name, value in values.items():
        arguments += [] if name == "use_wandb" else [f"--{name}", spell(value)]
    CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    assert seen[0].as_dict() == values
    unchanged = TrainConfig(data_dir="").as_dict()
    assert [name for name in values if values[name] == unchanged[name]] == []  # or the test would see nothing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Missing option '--data_dir'."),
        (["--data_dir", "missing"], "missing"),
        (["--data_dir", "empty"], "empty"),
        (["--data_dir", "text"], "speech.wav"),
        (["--data_dir", "missing", "--batch_size", "0"], "--batch_size 0: must be at least 1"),
        (["--data_dir", ".", "--checkpoint_dir", "./run"], "--checkpoint_dir run: lies in --data_dir ."),
        (["--data_dir", "missing", "--sample_rate", "16"], "--sample_rate 16: must be at least 8000"),
        (["--data_dir", "missing", "--batch_size", "many"], "'many' is not a valid integer"),
        (["--data_dir", "missing", "--strides", "2,x"], "'2,x' is not a list of whole numbers"),
        (["--data_dir", "missing", "--batchsize", "4"], "No such option '--batchsize'"),
        (["--data_dir", "missing", "--checkpoint_dir", "text/speech.wav"], "text/speech.wav: can't be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "speech.wav").write_text("not audio")
    done = codec("train", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .+\n", done.stderr)
    assert complaint in done.stderr


@pytest.mark.slow
def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom codec.cli import main\n"
    script += "sys.argv = ['codec', 'train', '--data_dir', 'x']\nmain()\n"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (2, "error: torch is missing: install codecjob[train]\n")


@pytest.mark.slow
@pytest.mark.parametrize(("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_torchs_threads_do_not_spin_unless_asked_to(tmp_path: Path, given: dict[str, str], expected: str) -> None:
    (tmp_path / "torch.py").write_text("import os; raise SystemExit(os.environ['OMP_WAIT_POLICY'])")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom codec.cli import main\n"
    script += "sys.argv = ['codec', 'train', '--data_dir', 'x']\nmain()\n"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | given
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, text=True, capture_output=True, check=False, timeout=120
    )
    assert done.stderr == f"{expected}\n"
