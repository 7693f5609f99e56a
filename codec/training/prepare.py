"""What has to be there before the first step: the folder, and the audio on its way to the device."""

from pathlib import Path

import torch
from torch import Tensor

from codec.audio import pack, split
from codec.config import TrainConfig
from codec.errors import UserError
from codec.training.batch_loader import Feed
from codec.training.dataset import CropDataset, validation_crops
from codec.training.progress import Beat
from codec.training.ranks import Ranks
from codec.training.state import Data
from codec.training.stop import Stopped, StopRequest
from codec.training.validate import HeldOut

SAMPLES, SAMPLE_SECONDS = 2, 4
LEARNED_CROPS = 8


def open_folder(config: TrainConfig, ranks: Ranks) -> tuple[Path, Beat]:
    """The checkpoint folder and its beat, of which the first shows whether the folder can be written.

    Raises UserError if it can't, or lies within the data.
    """
    folder = Path(config.checkpoint_dir)
    if Path(config.data_dir).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise UserError(
            f"--checkpoint_dir {folder}: lies in --data_dir {config.data_dir}, so a resumed run would learn "
            "from its own samples; choose a folder elsewhere"
        )
    beat = Beat(folder / "progress.json", mute=not ranks.first)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beat(0, 0, "preparing")
    except OSError as error:
        raise UserError(f"--checkpoint_dir {folder}: can't be written ({error.strerror})") from error
    return folder, beat


def prepare(
    config: TrainConfig, folder: Path, device: torch.device, ranks: Ranks, beat: Beat, stop: StopRequest
) -> Data:
    """The data. Decoded once on each machine, by its first rank; then all map the same file into memory.

    Raises AudioError for too many clips that can't be used, Stopped when a stop is requested meanwhile.
    """

    def on_progress(done: int, total: int) -> None:
        beat(0, 0, "preparing")
        if stop.requested():
            raise Stopped

    def load() -> Data:
        rate = config.model.sample_rate
        packed = pack(Path(config.data_dir), folder / "cache", rate, on_progress)
        learned, held_out = split(packed.clips, config.validation_share, config.seed)
        train = CropDataset(packed, learned, config.segment_length, config.batch_size, config.seed)
        return Data(
            train=train,
            feed=Feed(train, device),
            held_out=_to_device(validation_crops(packed, held_out, config.segment_length), device),
            learned=_to_device(validation_crops(packed, learned, config.segment_length, LEARNED_CROPS), device),
            samples=_to_device(validation_crops(packed, held_out, SAMPLE_SECONDS * rate, SAMPLES), device),
            seconds=sum(clip.length for clip in learned) / rate,
            device=device,
            ranks=ranks,
            skipped=packed.skipped,
        )

    data = ranks.together(lambda: None if ranks.local else load())
    return ranks.together(lambda: data or load())


def _to_device(crops: tuple[Tensor, Tensor, Tensor], device: torch.device) -> HeldOut:
    return HeldOut(*(part.to(device) for part in crops))
