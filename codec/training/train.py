"""Training, in the order it runs: ranks, data, model, resume, baseline, epochs."""

import faulthandler
import math
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from codec.config import TrainConfig, spell
from codec.errors import UserError
from codec.files import to_json, write_atomically
from codec.model import checkpoint
from codec.model.codec import Codec
from codec.training.adversary import Adversary
from codec.training.cadence import Cadence
from codec.training.device import pick_device
from codec.training.exchange import StopVote
from codec.training.kernels import hasten, is_compiled, obstacle
from codec.training.out_of_memory import too_large
from codec.training.prepare import open_folder, prepare
from codec.training.progress import Beat, Display
from codec.training.ranks import Ranks
from codec.training.rows import RowWriter
from codec.training.run_logger import Recorder
from codec.training.state import Position, Run, parallelized
from codec.training.step import step
from codec.training.step_counters import Health
from codec.training.stop import Stopped, StopRequest
from codec.training.validate import mean_snr_db, validate, write_samples
from codec.training.wandb_tracker import start_tracking

DONE, STOPPED = 0, 3  # exit codes
T = TypeVar("T")

VECTORS_PER_CODE = 8  # latents that k-means gets for each code, where the data has as many
VECTORS_PER_RARE_CODE = 64  # where late stages learn from a small share of them


def train(config: TrainConfig) -> int:
    """Train until all epochs are done (returns DONE) or a stop is requested (returns STOPPED).

    Goes on from the newest complete checkpoint in the checkpoint folder. Under torchrun every process
    calls this. Raises UserError for bad input and a full disk.
    """
    # Whoever finds this loop hung may ask it where: SIGUSR1 writes the stacks of all threads to stderr.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    with Ranks() as ranks:
        _check_batch(config, ranks)
        device = ranks.together(lambda: pick_device(config.device, ranks))
        folder, beat = ranks.together(lambda: open_folder(config, ranks))
        stop = StopRequest(folder / "stop.json", patient=ranks.world > 1)
        with Display(mute=not ranks.first) as display, stop:
            return _train(config, ranks, device, folder, beat, display, stop)


def _train(
    config: TrainConfig,
    ranks: Ranks,
    device: torch.device,
    folder: Path,
    beat: Beat,
    display: Display,
    stop: StopRequest,
) -> int:
    for name, value in config.as_dict().items():
        display.say(f"  {name} {spell(value)}")

    # Data: decoded once, then mapped into memory. A clip is either learned from or held out.
    try:
        data = prepare(config, folder, device, ranks, beat, stop)
    except Stopped:
        stop.answer()
        display.say("stopped on request before the first step; there was nothing to save")
        return STOPPED
    for clip in data.skipped:
        display.say(str(clip))
    if data.skipped:
        display.say(f"clips that cannot be used and are left out: {len(data.skipped)}")

    # Model.
    torch.manual_seed(config.seed)
    model = Codec(config.model).to(device)
    hasten(model, config, device, folder, ranks)
    if device.type == "cuda" and config.compile == "auto" and (lacking := obstacle()):
        display.say(f"torch.compile is off, so that training is slower than it could be: {lacking}")
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.5, 0.9), fused=True)
    parallel = parallelized(model, ranks, device)
    adversary = Adversary(config, ranks, device) if config.recipe == "perceptual" else None
    run = Run(config, folder, data, ranks, model, parallel, optimizer, Health(device), Position(), adversary)

    # Resume.
    newest = ranks.share(checkpoint.newest_complete(run.checkpoints, display.say) if ranks.first else None)
    if newest:
        run.restore(newest if ranks.first else None)  # another machine does not have it
        display.say(f"resuming from {newest}")
    display.say(
        f"{data.seconds / 60:.1f} minutes to learn from, {len(data.held_out.audio)} crops held out; "
        f"{run.parameters:,} parameters on {device.type}{f' x {ranks.world}' if ranks.world > 1 else ''}; "
        f"{data.train.steps_per_epoch} steps per epoch, {run.planned_steps} in all"
    )
    if not ranks.first:
        return _run_epochs(run, None, stop, fresh=not newest)
    write_atomically(folder / "config.json", to_json(config.as_dict(), indent=2) + "\n")
    rows = RowWriter(folder / "metrics.jsonl")
    tracker = start_tracking(config, display.say)
    recorder = Recorder(run, rows, tracker, display, beat)
    try:
        recorder.start(resumed_from=newest)
        return _run_epochs(run, recorder, stop, fresh=not newest)
    finally:
        tracker.finish()
        rows.close()


def _run_epochs(run: Run, recorder: Recorder | None, stop: StopRequest, *, fresh: bool) -> int:
    """The epochs that are left. The recorder is rank 0's: it validates and saves while the others wait."""
    at, ranks, vote = run.at, run.ranks, StopVote(run.ranks, stop)
    cadence = Cadence(run.config)
    if fresh:
        # The baseline. Codebooks first, or silence would already be an improvement on it.
        _in_memory(run, lambda: _initialise_codebooks(run))
        ranks.together(lambda: _validate(run, recorder, cadence))
    if recorder and is_compiled(run.config, run.data.device):
        recorder.beat("compiling")  # until the first step is done
    while at.epoch < run.config.num_epochs:
        ranks.share_random_state(run.data.device)  # validation and k-means have drawn numbers on rank 0 alone
        while at.index < run.data.train.steps_per_epoch:
            if vote.passed():
                ranks.together(lambda: _save(run, recorder))
                stop.answer()
                return STOPPED
            values, summary = _in_memory(run, lambda: step(run, vote.own()))
            vote.count(summary.stops)
            run.advance()
            if recorder:
                recorder.step(values)
            at_the_end = at.index == run.data.train.steps_per_epoch
            if not at_the_end and cadence.reached(at.step) and ranks.share(cadence.affordable(at.step)):
                ranks.together(lambda: _validate_inside(run, recorder, cadence))
        if recorder:
            recorder.train_row()  # still of the epoch that its steps belong to
        at.epoch, at.index = at.epoch + 1, 0
        ranks.together(lambda: _validate_and_save(run, recorder, cadence))
    if recorder:
        recorder.beat("done")
        recorder.say(f"all {at.epoch} epochs are done")
    stop.answer()  # a request that came too late must not stop a later continuation
    return DONE


def _in_memory(run: Run, work: Callable[[], T]) -> T:
    """Do something with a batch. Raises UserError where that does not fit into the GPU's memory."""
    try:
        return work()
    except torch.OutOfMemoryError:
        pass  # and with the exception goes the memory that its frames hold
    raise too_large(run)


def _save(run: Run, recorder: Recorder | None) -> None:
    if recorder:
        recorder.save(snr_db=None)
        recorder.say(f"stopped on request at step {run.at.step}; a checkpoint is saved")


@torch.no_grad()
def _initialise_codebooks(run: Run) -> None:
    """k-means on the latents of the first crops, by rank 0 for all."""
    config, model, ranks = run.config, run.model, run.ranks
    if ranks.first:
        frames = math.ceil(config.segment_length / config.model.hop)
        each = VECTORS_PER_RARE_CODE if config.model.mean_quantizers else VECTORS_PER_CODE
        wanted = math.ceil(each * config.model.codebook_size / (config.batch_size * frames))
        batches = range(min(wanted, run.data.train.steps_per_epoch))
        parts = [run.data.part(0, index, rank) for index in batches for rank in range(ranks.world)]
        with torch.compiler.set_stance("force_eager"):
            model.quantizer.initialise(torch.cat([model.latents(part.audio) for part in parts]))
    ranks.share_tensors(model.quantizer.state_dict().values())


def _validate_and_save(run: Run, recorder: Recorder | None, cadence: Cadence) -> None:
    row = _validate(run, recorder, cadence)
    if recorder and row:
        recorder.save(snr_db=row["snr_db"])


def _validate_inside(run: Run, recorder: Recorder | None, cadence: Cadence) -> None:
    """Validate in the middle of an epoch, which goes on as if that had not happened."""
    if recorder is None:
        return
    recorder.train_row()
    with _random_state_kept(run):
        _validate(run, recorder, cadence, with_samples=False)


def _validate(
    run: Run, recorder: Recorder | None, cadence: Cadence, *, with_samples: bool = True
) -> dict[str, Any] | None:
    if recorder is None:
        return None
    began = time.monotonic()
    beat = partial(recorder.beat, "validating")
    beat()
    samples = run.folder / "samples" / f"{run.at.epoch:04d}" if with_samples else None
    # Not by what is compiled: for crops of other lengths that would have to be done again.
    with torch.compiler.set_stance("force_eager"):
        fields = _in_memory(run, lambda: _measure(run, beat))
        if samples:
            write_samples(run.model, run.data.samples, samples)
    row = recorder.validation(fields, samples)
    cadence.validated(time.monotonic() - began)
    return row


def _measure(run: Run, beat: Callable[[], None]) -> dict[str, Any]:
    fields = validate(run.model, run.data.held_out, run.config.batch_size, beat)
    with _random_state_kept(run):  # what is only looked at changes no training
        fields["train_snr_db"] = mean_snr_db(run.model, run.data.learned, run.config.batch_size)
    return fields


def _random_state_kept(run: Run) -> AbstractContextManager[None]:
    return torch.random.fork_rng([run.data.device] if run.data.device.type == "cuda" else [])


def _check_batch(config: TrainConfig, ranks: Ranks) -> None:
    if config.batch_size % ranks.world:
        nearest = max(round(config.batch_size / ranks.world), 1) * ranks.world
        raise UserError(
            f"--batch_size {config.batch_size}: is the batch of all {ranks.world} processes together and must be "
            f"divisible by {ranks.world}, for example {nearest}"
        )
