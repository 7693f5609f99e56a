"""The machine that a spec asks for: its image, its size, and the command that its pod runs."""

import sys
from collections.abc import Iterable

from infra.pods import Machine
from job.errors import UsageError
from job.spec import JobSpec

LOCAL = "local"
SUPERVISOR = ("-m", "job.supervisor")


def machine(spec: JobSpec) -> Machine:
    """What every node of a run is to be, whatever offer it is started from.

    ``gpu_count`` is what the spec says, or 1; `job.choice` makes it 0 for an offer without a GPU.

    Raises:
        UsageError: the provider needs an image and none is known, or has one machine and several are asked for.
    """
    if spec.provider == LOCAL and spec.nodes > 1:
        raise UsageError(f"nodes: {spec.nodes}, but provider local has this one machine; leave nodes out")
    return Machine(
        image=_image(spec),
        gpu_count=1 if spec.gpu_count is None else spec.gpu_count,
        nodes=spec.nodes,
        disk_gb=spec.pod.disk_gb,
        network_volume=spec.pod.network_volume,
        registry=spec.pod.registry,
        cpus=spec.pod.cpus,
        memory_gb=spec.pod.memory_gb,
    )


def command(spec: JobSpec) -> tuple[str, ...]:
    """The pod's first process. An image brings its own Python."""
    return (sys.executable if spec.provider == LOCAL else "python", *SUPERVISOR)


def in_words(of: Machine, gpu: str) -> str:
    """Such as ``2 nodes x 4 x NVIDIA L4``."""
    parts: Iterable[str] = (f"{of.nodes} nodes" if of.nodes > 1 else "", f"{of.gpu_count}" if of.gpu_count > 1 else "")
    return " x ".join([*filter(None, parts), gpu or "no GPU"])


def _image(spec: JobSpec) -> str:
    if spec.provider == LOCAL:
        return ""  # runs what is installed here
    if spec.image is None:
        raise UsageError(
            f"provider {spec.provider} runs an image and none is known: `codecjob image push` makes one, or name "
            "one in the spec: image: registry/name@sha256:..."
        )
    return spec.image
