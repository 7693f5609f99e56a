"""Encode and decode speed on one CPU core: python -m tests.bench.codec_speed.

Times real time by the CPU time of one thread, the best of several rounds, so that other work on the machine counts
little. The others are the published packages' own models with random weights, which take the same time as trained ones.
Each model is measured in a process of its own; a package that is not in .venv/bench is left out with a line.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv" / "bench" / "bin" / "python"
SECONDS, ROUNDS = 4, 4

# The presets are measured by name.
PEERS = ("encodec 24 kHz, 6 kbit/s", "descript-audio-codec 16 kHz, 6 kbit/s", "descript-audio-codec 24 kHz, 6 kbit/s")


def main() -> None:
    """Print how many times faster than real time each model encodes and decodes on one core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=PEERS_PYTHON, metavar="PYTHON", help="that has the packages")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # this model, in this process
    arguments = parser.parse_args()
    if arguments.measure:
        # Before anything of this project is imported: the other packages' Python does not have all that it needs.
        _say(json.dumps(_measure(arguments.measure)))
        return
    from codec.presets import PRESETS

    python = arguments.peers
    rows = [_row(Path(sys.executable), f"preset {name}") for name in PRESETS]
    rows += [_row(python, name) for name in PEERS] if python.exists() else []
    if not python.exists():
        sys.stderr.write(f"{python}: not there; without it the others are left out (tests/bench/requirements.txt)\n")
    if arguments.json:
        _say(json.dumps(rows, indent=2))
        return
    _say("| model | M parameters | encode x | decode x |\n| --- | --- | --- | --- |")
    for row in filter(None, rows):
        _say(f"| {row['model']} | {row['parameters'] / 1e6:.1f} | {row['encode']:.1f} | {row['decode']:.1f} |")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _row(python: Path, name: str) -> dict[str, Any] | None:
    # By its path: among the other packages' dependencies is one that installs a package named tests.
    command = [python, __file__, "--measure", name]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{name}: left out: {(done.stderr.strip().splitlines() or ['it crashed'])[-1]}\n")
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measure(name: str) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    encode, decode, parameters, rate = _peer(name) if name in PEERS else _ours(name.removeprefix("preset "))
    with torch.inference_mode():
        audio = torch.randn(1, 1, SECONDS * rate) * 0.1
        codes = encode(audio)
        decode(codes)
        best = [float("inf")] * 2
        for _ in range(ROUNDS):
            for side, work in enumerate((lambda: encode(audio), lambda: decode(codes))):
                started = time.process_time()
                work()
                best[side] = min(best[side], time.process_time() - started)
    return {"model": name, "parameters": parameters, "encode": SECONDS / best[0], "decode": SECONDS / best[1]}


Measured = tuple[Callable[[Any], Any], Callable[[Any], Any], int, int]  # encode, decode, parameters, rate


def _ours(name: str) -> Measured:
    from codec.coding.trained import for_inference
    from codec.config import ModelConfig
    from codec.model.codec import Codec
    from codec.presets import PRESETS

    known = {item.name for item in fields(ModelConfig)}
    config = ModelConfig(**{flag: value for flag, value in PRESETS[name].flags.items() if flag in known})
    rate, model = config.sample_rate, for_inference(Codec(config))
    return model.encode, lambda codes: model.decode(codes, SECONDS * rate), _count(model), rate


def _peer(name: str) -> Measured:
    if name.startswith("encodec"):
        from encodec import EncodecModel

        model = EncodecModel.encodec_model_24khz(pretrained=False).eval()
        model.set_target_bandwidth(6.0)
        return model.encode, model.decode, _count(model), 24000
    import dac

    rate = 16000 if "16 kHz" in name else 24000
    model = dac.DAC(
        encoder_rates=[2, 4, 5, 8],
        decoder_rates=[8, 5, 4, 2],
        n_codebooks=12 if rate == 16000 else 8,
        sample_rate=rate,
    ).eval()
    return lambda audio: model.encode(audio)[0], model.decode, _count(model), rate


def _count(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    main()
