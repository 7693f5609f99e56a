"""Training, in the order it runs: data, model, resume, baseline, epochs."""

import faulthandler
import math
import signal
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from codec import checkpoint
from codec.audio import pack, split
from codec.config import TrainConfig, spell
from codec.dataset import CropDataset, validation_crops
from codec.errors import UserError
from codec.health import Health
from codec.losses import masked_l1, reported_loss, training_loss
from codec.model import Codec
from codec.progress import Beat, Display
from codec.recorder import Recorder
from codec.rows import RowWriter, to_json, write_atomically
from codec.run import Data, Position, Run
from codec.schedule import learning_rate
from codec.stop import Stopped, StopRequest
from codec.tracking import start_tracking
from codec.validate import HeldOut, validate, write_samples

DONE, STOPPED = 0, 3  # exit codes
SAMPLES, SAMPLE_SECONDS = 2, 4
VECTORS_PER_CODE = 8  # latents that k-means gets for each code, where the data has as many


def train(config: TrainConfig) -> int:
    """Train until all epochs are done (returns DONE) or a stop is requested (returns STOPPED).

    Goes on from the newest complete checkpoint in the checkpoint folder. Raises UserError for bad
    input and a full disk.
    """
    # Whoever finds this loop hung may ask it where: SIGUSR1 writes the stacks of all threads to stderr.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    folder, beat = _open_folder(config)
    device = _pick_device(config.device)
    with Display() as display, StopRequest(folder / "stop.json") as stop:
        for name, value in config.as_dict().items():
            display.say(f"  {name} {spell(value)}")

        # Data: decoded once, then mapped into memory. A clip is either learned from or held out.
        try:
            data = _prepare(config, folder, device, beat, stop)
        except Stopped:
            stop.answer()
            display.say("stopped on request before the first step; there was nothing to save")
            return STOPPED

        # Model.
        torch.manual_seed(config.seed)
        model = Codec(config.model).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.5, 0.9), fused=True)
        run = Run(config, folder, data, model, optimizer, Health(device), Position())

        # Resume.
        newest = checkpoint.newest_complete(run.checkpoints, display.say)
        if newest:
            run.restore(newest)
            display.say(f"resuming from {newest}")
        write_atomically(folder / "config.json", to_json(config.as_dict(), indent=2) + "\n")
        display.say(
            f"{data.seconds / 60:.1f} minutes to learn from, {len(data.held_out.audio)} crops held out; "
            f"{run.parameters:,} parameters on {device}; "
            f"{data.train.steps_per_epoch} steps per epoch, {run.planned_steps} in all"
        )

        rows = RowWriter(folder / "metrics.jsonl")
        tracker = start_tracking(config, display.say)
        recorder = Recorder(run, rows, tracker, display, beat)
        try:
            recorder.start(resumed_from=newest)
            if not newest:
                # The baseline. Codebooks first, or silence would already be an improvement on it.
                _initialise_codebooks(run)
                _validate(run, recorder)
            return _run_epochs(run, recorder, stop)
        finally:
            tracker.finish()
            rows.close()


def _run_epochs(run: Run, recorder: Recorder, stop: StopRequest) -> int:
    at = run.at
    while at.epoch < run.config.num_epochs:
        while at.index < run.data.train.steps_per_epoch:
            if stop.requested():
                recorder.save(snr_db=None)
                stop.answer()
                recorder.say(f"stopped on request at step {at.step}; a checkpoint is saved")
                return STOPPED
            values = _step(run)
            at.step, at.index = at.step + 1, at.index + 1
            recorder.step(values)
        recorder.train_row()  # still of the epoch that its steps belong to
        at.epoch, at.index = at.epoch + 1, 0
        row = _validate(run, recorder)
        recorder.save(snr_db=row["snr_db"])
    recorder.beat("done")
    stop.answer()  # a request that came too late must not stop a later continuation
    recorder.say(f"all {at.epoch} epochs are done")
    return DONE


def _step(run: Run) -> list[Tensor]:
    """One optimizer step. Returns recorder.STEP_FIELDS' values, still on the device: nothing waits for it."""
    config, model = run.config, run.model
    audio, lengths = run.data.batch(run.at.epoch, run.at.index)
    decoded = model(audio, lengths)
    l1 = masked_l1(decoded.audio, audio, lengths)
    loss = training_loss(l1, decoded.commitment, config.commitment_weight)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    grad_norm = clip_grad_norm_(model.parameters(), config.grad_clip)

    # A non-finite step changes neither weights nor optimizer nor codebooks. `found_inf` is how
    # GradScaler tells the fused optimizer to skip a step without asking the host.
    finite = loss.isfinite() & grad_norm.isfinite()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.at.step)
    run.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
    run.optimizer.step()
    model.quantizer.update(decoded.statistics, config.ema_decay, finite)

    with torch.no_grad():
        vq = decoded.commitment.mean()
        run.health.count(finite, vq, decoded.latent_power)
        return [reported_loss(l1, decoded.commitment), l1, vq, decoded.latent_power, grad_norm]


@torch.no_grad()
def _initialise_codebooks(run: Run) -> None:
    """k-means on the latents of the first crops."""
    config = run.config
    frames = math.ceil(config.segment_length / config.model.hop)
    wanted = math.ceil(VECTORS_PER_CODE * config.model.codebook_size / (config.batch_size * frames))
    batches = range(min(wanted, run.data.train.steps_per_epoch))
    latents = [run.model.latents(run.data.batch(0, index)[0]) for index in batches]
    run.model.quantizer.initialise(torch.cat(latents))


def _validate(run: Run, recorder: Recorder) -> dict[str, Any]:
    beat = partial(recorder.beat, "validating")
    beat()
    fields = validate(run.model, run.data.held_out, run.config.batch_size, beat)
    write_samples(run.model, run.data.samples, run.folder / "samples" / f"{run.at.epoch:04d}")
    return recorder.validation(fields)


def _prepare(config: TrainConfig, folder: Path, device: torch.device, beat: Beat, stop: StopRequest) -> Data:
    def on_progress(done: int, total: int) -> None:
        beat(0, 0, "preparing")
        if stop.requested():
            raise Stopped

    rate = config.model.sample_rate
    packed = pack(Path(config.data_dir), folder / "cache", rate, on_progress)
    learned, held_out = split(packed.clips, config.validation_share, config.seed)
    return Data(
        train=CropDataset(packed, learned, config.segment_length, config.batch_size, config.seed),
        held_out=_to_device(validation_crops(packed, held_out, config.segment_length), device),
        samples=_to_device(validation_crops(packed, held_out, SAMPLE_SECONDS * rate, SAMPLES), device),
        seconds=sum(clip.length for clip in learned) / rate,
        device=device,
    )


def _to_device(crops: tuple[Tensor, Tensor, Tensor], device: torch.device) -> HeldOut:
    return HeldOut(*(part.to(device) for part in crops))


def _open_folder(config: TrainConfig) -> tuple[Path, Beat]:
    """The checkpoint folder and its beat, of which the first shows whether the folder can be written."""
    folder = Path(config.checkpoint_dir)
    if Path(config.data_dir).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise UserError(
            f"--checkpoint_dir {folder}: lies in --data_dir {config.data_dir}, so a resumed run would learn "
            "from its own samples; choose a folder elsewhere"
        )
    beat = Beat(folder / "progress.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beat(0, 0, "preparing")
    except OSError as error:
        raise UserError(f"--checkpoint_dir {folder}: can't be written ({error.strerror})") from error
    return folder, beat


def _pick_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no CUDA device here; use --device auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
