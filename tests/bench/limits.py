"""What a device can do at most, measured, and the least time that the convolutions of a step take by that.

A roofline (Williams et al. 2009, Communications of the ACM 52/4): a convolution or a matrix product takes at least its
multiplications at the device's measured rate, and at least the reading and writing of its operands at the measured
bandwidth, whichever is longer. What lies between them (Snake, norms, sums) could be fused into them and counts nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

ROUNDS = 5
MATRIX = {"cuda": 8192, "cpu": 1024}
COPIED_BYTES = {"cuda": 1 << 30, "cpu": 1 << 28}


@dataclass(frozen=True)
class Limits:
    """Of one device."""

    flops: float  # a second, of a product of square matrices
    bandwidth: float  # bytes a second, read and written

    def seconds(self, flops: float, moved: float) -> float:
        """The least time of so much work."""
        return max(flops / self.flops, moved / self.bandwidth)


def measure(device: torch.device, dtype: torch.dtype) -> Limits:
    """The best of some rounds."""
    size = MATRIX[device.type]
    one = torch.randn(size, size, device=device).to(dtype)
    source = torch.empty(COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product, copy = best(lambda: one @ one, device), best(lambda: target.copy_(source), device)
    return Limits(2 * size**3 / product, 2 * len(source) / copy)


def best(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the fastest of some rounds, behind one that does not count."""
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times[1:])


class Roofline(TorchDispatchMode):
    """Adds up the convolutions and matrix products that run within it. A context; nothing in it may be compiled."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self.flops = 0.0
        self.moved = 0.0  # bytes
        self.seconds = 0.0  # at least

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count:
            flops = float(count(*args, **(kwargs or {}), out_val=out))
            tensors = [leaf for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)]
            moved = float(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
            self.flops += flops
            self.moved += moved
            self.seconds += self._limits.seconds(flops, moved)
        return out
