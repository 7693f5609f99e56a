"""The machine that a spec asks for: its image, its size, and the command that its pod runs."""

import sys
from collections.abc import Iterable
from dataclasses import replace

from infra.pods import Machine, kind_of
from infra.pods.processes import count_gpus
from infra.store import Store
from infra.store.folder import FolderStore
from job.errors import UsageError
from job.run import last_image
from job.spec.model import JobSpec

# A pod starts in a folder that may be a user's own volume: -P keeps what lies there from being imported. Images pushed
# earlier know the module by this name.
SUPERVISOR = ("-P", "-m", "job.supervisor")


def machine(spec: JobSpec) -> Machine:
    """What every node of a run is to be, whatever offer it is started from.

    ``gpu_count`` is what the spec says, or 1; `job.run.offers` makes it 0 for an offer without a GPU.

    Raises:
        UsageError: the provider needs an image and none is known, or has one machine and several are asked for;
            or this machine has fewer GPUs.
    """
    is_this_user = kind_of(spec.provider).is_this_user
    if is_this_user and spec.nodes > 1:
        raise UsageError(f"nodes: {spec.nodes}, but provider {spec.provider} has this one machine; leave nodes out")
    if is_this_user and (spec.gpu_count or 1) > 1 and count_gpus() < (spec.gpu_count or 1):
        raise UsageError(f"gpu_count: {spec.gpu_count}, but this machine has {count_gpus() or 'no'} GPU; ask for less")
    image, min_cuda = _image(spec)
    return Machine(
        image=image,
        min_cuda=spec.pod.min_cuda or min_cuda,
        gpu_count=1 if spec.gpu_count is None else spec.gpu_count,
        nodes=spec.nodes,
        disk_gb=spec.pod.disk_gb,
        network_volume=spec.pod.network_volume,
        registry=spec.pod.registry,
        cpus=spec.pod.cpus,
        memory_gb=spec.pod.memory_gb,
        network=spec.pod.network,
        ssh=spec.pod.ssh,
    )


def with_mounts(machine: Machine, spec: JobSpec, store: Store, attempt_prefix: str) -> Machine:
    """The machine with the folder of the record, for a container beside it; a bucket needs none.

    The whole can be read, and the attempt's own part, ``attempt_prefix``, written.
    """
    kind = kind_of(spec.provider)
    if not kind.at_home or kind.is_this_user or not isinstance(store, FolderStore):
        return machine
    return replace(machine, mounts_read_only=(str(store.root),), mounts=(str(store.root / attempt_prefix),))


def with_known_image(spec: JobSpec) -> JobSpec:
    """The spec with its image written out, so that every attempt runs the same, whoever starts it from where."""
    kind = kind_of(spec.provider)
    known = None if kind.is_this_user or spec.image else last_image.read()
    references = known.references(with_built=not kind.pulls_image) if known else ()
    return spec.model_copy(update={"image": references[0]}) if references else spec


def command(spec: JobSpec) -> tuple[str, ...]:
    """The pod's first process. An image brings its own Python."""
    return (sys.executable if kind_of(spec.provider).is_this_user else "python", *SUPERVISOR)


def in_words(of: Machine, gpu: str) -> str:
    """Such as ``2 nodes x 4 x NVIDIA L4``."""
    parts: Iterable[str] = (f"{of.nodes} nodes" if of.nodes > 1 else "", f"{of.gpu_count}" if of.gpu_count > 1 else "")
    return " x ".join([*filter(None, parts), gpu or "no GPU"])


def _image(spec: JobSpec) -> tuple[str, str | None]:
    """The image's reference, and the CUDA version that it needs where this machine remembers it."""
    if kind_of(spec.provider).is_this_user:
        return "", None  # runs what is installed here
    image = with_known_image(spec).image
    if image is None:
        raise UsageError(
            f"provider {spec.provider} runs an image and none is known: `codecjob image build` makes one, "
            "`codecjob image push` puts it where others can fetch it; or name one: image: registry/name@sha256:..."
        )
    known = last_image.read()
    return image, known.cuda if known and image in known.references(with_built=True) else None
