"""The run's audio in the store: looked at and packed by the client, mapped by the trainer (docs/storage.md)."""

from job.dataset.manifest import Manifest, dataset_id
from job.dataset.pull import pull
from job.dataset.push import Pushed, missing, push
from job.dataset.scan import BrokenClip, LocalData, OnProgress, look_at

__all__ = [
    "BrokenClip",
    "LocalData",
    "Manifest",
    "OnProgress",
    "Pushed",
    "dataset_id",
    "look_at",
    "missing",
    "pull",
    "push",
]
