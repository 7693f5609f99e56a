"""Whether a rented GPU can be used at all, and if not, why: said in the first second and not at the first step."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch

from codec.errors import UserError, first_line

ELSEWHERE = "take another machine"


def why_no_gpu() -> str:
    """Why torch finds no GPU: the reason and what to do, for the end of a message."""
    built_for = torch.version.cuda
    if built_for is None:
        return "this torch is built without CUDA; install one that is built with it"
    driver = driver_cuda()
    if driver is None:
        return "there are no driver libraries here (libcuda.so.1); start the container with --gpus all, or " + ELSEWHERE
    return driver_fault(driver, built_for) or f"the driver shows none; {ELSEWHERE}"


def driver_cuda() -> int | None:
    """Return the newest CUDA that the driver supports, as 1000 x major + 10 x minor; None where there is no driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        version = ctypes.c_int(0)
        return version.value if library.cuDriverGetVersion(ctypes.byref(version)) == 0 else None
    except (OSError, AttributeError):
        return None


def driver_fault(driver: int, built_for: str) -> str:
    """What is wrong with a driver for a torch that is built for a CUDA such as "13.0"; "" if nothing is.

    Within a major version any driver of it will do (CUDA's minor version compatibility).
    """
    if driver // 1000 >= int(built_for.split(".", maxsplit=1)[0]):
        return ""
    found = f"{driver // 1000}.{driver % 1000 // 10}"
    return (
        f"the host's driver supports CUDA {found}, and the image's torch needs {built_for}; "
        f'set pod.min_cuda: "{built_for}", or use an image with an older CUDA'
    )


def code_fault(name: str, capability: tuple[int, int], built_for: Sequence[str]) -> str:
    """What is wrong with a GPU for which torch may have no code; "" if nothing is.

    `built_for` is such as ["sm_80", "sm_90", "compute_90"]: code runs on its own major version from its minor version
    on, what is to be compiled (compute) on any newer one.
    """
    major, minor = capability
    for target in built_for:
        kind, _, digits = target.rstrip("af").partition("_")
        if not digits.isdecimal():
            return ""  # not CUDA's way to say it
        version = (int(digits[:-1]), int(digits[-1]))
        if kind == "sm" and version[0] == major and version[1] <= minor:
            return ""
        if kind == "compute" and version <= (major, minor):
            return ""
    known = ", ".join(built_for)
    return f"this torch has no code for {name} (sm_{major}{minor}; it has {known}); choose another GPU"


def try_gpu(device: torch.device) -> None:
    """Use a GPU once. Raises UserError, with what to do, where that fails."""
    try:
        torch.cuda.set_device(device)
        name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
        if fault := code_fault(name, capability, torch.cuda.get_arch_list()):
            raise UserError(fault)
        torch.ones(1, device=device).add_(1).item()
    except RuntimeError as error:
        driver = driver_cuda()
        known = driver_fault(driver, torch.version.cuda) if driver is not None and torch.version.cuda else ""
        raise UserError(f"GPU {device.index} cannot be used ({first_line(error)}): {known or ELSEWHERE}") from error
