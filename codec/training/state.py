"""The state of a run: what training changes, what it needs for that, and how that is restored exactly."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from codec.audio import Skipped
from codec.config import TrainConfig
from codec.model import checkpoint
from codec.model.codec import Codec, Share
from codec.training.adversary import Adversary
from codec.training.batch_loader import Feed
from codec.training.dataset import Batch, CropDataset
from codec.training.ranks import Ranks
from codec.training.step_counters import Health
from codec.training.validate import HeldOut


@dataclass
class Position:
    """How far the run is."""

    step: int = 0  # optimizer steps done, skipped ones included
    epoch: int = 0  # epochs completed
    index: int = 0  # batches of the current epoch done
    audio_seconds: float = 0.0  # learned from so far, all epochs together


@dataclass(frozen=True)
class Data:
    """The run's audio on its way to the device."""

    train: CropDataset
    feed: Feed  # brings the batches of it to the device
    held_out: HeldOut  # validated at every epoch
    learned: HeldOut  # a few crops to learn from, validated beside them: the gap is what was learned by heart
    samples: HeldOut  # written to samples/ for ears
    seconds: float  # of audio to learn from
    device: torch.device
    ranks: Ranks
    skipped: tuple[Skipped, ...] = ()  # clips that can't be used

    def batch(self, epoch: int, index: int) -> tuple[Batch, Share]:
        """This rank's part of a training batch, on the device."""
        batch = self.part(epoch, index, self.ranks.rank)
        return batch, Share(batch.all_lengths, self.ranks.rank, self.ranks.world)

    def part(self, epoch: int, index: int, rank: int) -> Batch:
        """Any rank's part of a training batch, on the device."""
        return self.feed.batch(epoch, index, rank, self.ranks.world)


@dataclass(frozen=True)
class Run:
    """Everything that training changes, and what it needs for that."""

    config: TrainConfig
    folder: Path
    data: Data
    ranks: Ranks
    model: Codec
    parallel: nn.Module  # the model; on several ranks with an exchange of gradients in its backward pass
    optimizer: torch.optim.AdamW
    health: Health
    at: Position
    adversary: Adversary | None = None  # the perceptual recipe's

    @property
    def checkpoints(self) -> Path:
        """Where the run's checkpoints are."""
        return self.folder / "checkpoints"

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def planned_steps(self) -> int:
        """Step at which the last epoch ends."""
        left = (self.config.num_epochs - self.at.epoch) * self.data.train.steps_per_epoch - self.at.index
        return self.at.step + max(left, 0)

    def advance(self) -> None:
        """A step is done."""
        self.at.step, self.at.index = self.at.step + 1, self.at.index + 1
        self.at.audio_seconds += self.config.batch_size * self.config.segment_length / self.config.model.sample_rate

    def state(self) -> dict[str, Any]:
        """All that resuming needs beside weights and codebooks."""
        cuda = self.data.device.type == "cuda"
        return {
            "at": asdict(self.at),
            "steps_per_epoch": self.data.train.steps_per_epoch,
            "optimizer": self.optimizer.state_dict(),
            "adversary": self.adversary.state() if self.adversary else None,
            "health": self.health.state(),
            "learned": self.data.train.learned(),  # so that an evaluation can leave these clips out
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.data.device) if cuda else None,
        }

    def restore(self, folder: Path | None) -> None:
        """Continue exactly where rank 0's checkpoint was saved; other ranks get all of it from rank 0.

        Raises UserError if the checkpoint is of another architecture.
        """
        ranks = self.ranks
        state = ranks.together(lambda: checkpoint.restore(folder, self.model) if folder else None)
        state = ranks.share(state)
        assert state is not None
        ranks.share_tensors(self.model.state_dict().values())
        at = state["at"]
        # With other data or another batch size, the place within the epoch means nothing: begin it anew.
        same_epoch = state["steps_per_epoch"] == self.data.train.steps_per_epoch
        self.at.step, self.at.epoch, self.at.index = at["step"], at["epoch"], at["index"] if same_epoch else 0
        self.at.audio_seconds = at["audio_seconds"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.adversary and state["adversary"]:  # a run may go on with another recipe: then it begins anew
            self.adversary.restore(state["adversary"])
        self.health.restore(state["health"])
        torch.set_rng_state(state["rng"])
        if self.data.device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.data.device)


def parallelized(model: Codec, ranks: Ranks, device: torch.device) -> nn.Module:
    """The model as each of several ranks calls it: gradients are averaged in buckets during the backward pass."""
    if ranks.world == 1:
        return model
    # Every rank updates the codebooks by the same statistics, so buffers need no exchange of their own.
    gpus = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=gpus, broadcast_buffers=False, gradient_as_bucket_view=True)
