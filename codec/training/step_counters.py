"""Counters of bad training steps that stay on the device, so that counting costs no wait."""

import torch
from torch import Tensor


class Health:
    """Counts non-finite steps and steps with dead codebooks."""

    FIELDS = ("nonfinite_steps", "nonfinite_run", "dead_codebook_steps")

    def __init__(self, device: torch.device) -> None:
        self._total = torch.zeros((), device=device)  # non-finite steps in all
        self._run = torch.zeros((), device=device)  # in a row until now
        self._longest = torch.zeros((), device=device)  # the longest such row since the last report
        self._dead = torch.zeros((), device=device)  # steps in a row with dead codebooks

    def count(self, finite: Tensor, vq: Tensor, latent_power: Tensor) -> None:
        """Take note of a step by scalars: whether it was finite, its vq, the quantizer input's power.

        Codes that leave an error as large as their input are worse than no codes: they are dead. A
        non-finite step says nothing about the codebooks.
        """
        self._total = self._total + ~finite
        self._run = (self._run + 1) * ~finite
        self._longest = torch.maximum(self._longest, self._run)
        self._dead = torch.where(finite, (self._dead + 1) * (vq >= latent_power), self._dead)

    def report(self) -> list[Tensor]:
        """The values of FIELDS; starts a new search for the longest run."""
        values = [self._total, self._longest, self._dead]
        self._longest = self._run
        return values

    def state(self) -> list[float]:
        """What `restore` takes."""
        return [value.item() for value in (self._total, self._run, self._longest, self._dead)]

    def restore(self, state: list[float]) -> None:
        """Go on counting from `state()`."""
        device = self._total.device
        self._total, self._run, self._longest, self._dead = (torch.tensor(value, device=device) for value in state)
