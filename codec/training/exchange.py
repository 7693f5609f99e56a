"""What ranks tell each other at every step beside gradients, in one exchange that runs during the backward pass."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from codec.model.quantizer import Statistics
from codec.training.ranks import Ranks
from codec.training.stop import StopRequest


@dataclass(frozen=True)
class Summary:
    """A step of all ranks together, on the device."""

    statistics: Statistics  # added over all ranks
    values: Sequence[Tensor]  # means over all ranks, scalars
    stops: Tensor | None  # [] how many want to stop; None on a single rank


class Exchange:
    """Statistics, scalars and the wish to stop, as one bucket; nothing waits until `finish`."""

    def __init__(self, ranks: Ranks, statistics: Statistics, values: Sequence[Tensor], stop: bool) -> None:
        self._ranks = ranks
        self._statistics = statistics
        self._values = [value.detach() for value in values]
        if ranks.world > 1:
            # Filled on the device: a tensor made of a list would be copied there, which waits for it.
            wish = statistics.counts.new_full((1,), float(stop))
            parts = [*_parts(statistics), torch.stack(self._values) / ranks.world, wish]
            self._shapes = [part.shape for part in parts]
            self._bucket = torch.cat([part.reshape(-1) for part in parts])
            self._work = dist.all_reduce(self._bucket, async_op=True)

    def finish(self) -> Summary:
        """The sums and means, once they are there."""
        if self._ranks.world == 1:
            return Summary(self._statistics, self._values, None)
        assert self._work is not None
        self._work.wait()  # on CUDA the stream waits, not the host
        pieces = torch.split(self._bucket, [shape.numel() for shape in self._shapes])
        counts, sums, candidates, values, stops = (
            piece.view(shape) for piece, shape in zip(pieces, self._shapes, strict=True)
        )
        return Summary(Statistics(counts, sums, candidates), values.unbind(), stops[0])


class StopVote:
    """Whether to stop: every rank learns it at the same step, a few steps after one of them has wished it.

    The wish travels with the step's exchange and is read LAG steps later, when it has long arrived, so
    that no step waits for it. A single rank just looks.
    """

    LAG = 4

    def __init__(self, ranks: Ranks, request: StopRequest) -> None:
        self._ranks = ranks
        self._request = request
        self._votes: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def own(self) -> bool:
        """This rank's wish."""
        return self._request.requested()

    def count(self, stops: Tensor | None) -> None:
        """Take note of a step's Summary.stops."""
        if stops is None:
            return
        event = None
        if stops.is_cuda:
            stops = torch.empty((), pin_memory=True).copy_(stops, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._votes.append((stops, event))

    def passed(self) -> bool:
        """Whether all ranks stop now."""
        if self._ranks.world == 1:
            return self.own()
        if len(self._votes) <= self.LAG:
            return False
        stops, event = self._votes.popleft()
        if event is not None:
            event.synchronize()
        return bool(stops > 0)


def _parts(statistics: Statistics) -> list[Tensor]:
    return [statistics.counts, statistics.sums, statistics.candidates]
