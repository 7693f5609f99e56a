"""The image, as its registry has it: asked before anybody pays for a pod that cannot pull it."""

import re

from infra import registry
from infra.engine import registry as host_of
from infra.image import LABELS
from infra.pods import kind_of
from infra.registry import ImageMissing, ImageRefused, RegistryError, RemoteImage
from job.checks.finding import Finding, error, note, warning
from job.checks.preflight.resources import size
from job.errors import UsageError
from job.run.machine import with_known_image
from job.spec.model import JobSpec

CHECK = "image"
CUDA = re.compile(r"\d+\.\d+")


def about_image(spec: JobSpec) -> tuple[JobSpec, list[Finding]]:
    """Whether the pods can pull the image.

    The spec comes back with the image by its digest, so that each attempt runs this very one, and with the CUDA version
    that it needs, as far as these are known.
    """
    try:
        spec = with_known_image(spec)
    except UsageError:
        return spec, []  # the look at the machine says it
    kind = kind_of(spec.provider)
    if spec.image is None or kind.is_this_user:
        return spec, []
    if not kind.pulls_image:
        return spec, [note(CHECK, spec.image)]
    try:
        found = registry.look(spec.image)
    except RegistryError as trouble:
        return spec, [_about_trouble(spec, trouble)]
    return _pinned(spec, found), _about(spec, found)


def _about_trouble(spec: JobSpec, trouble: RegistryError) -> Finding:
    if isinstance(trouble, ImageRefused):
        return _about_refusal(spec, trouble)
    if isinstance(trouble, ImageMissing):
        return error(CHECK, f"{trouble}; check the name, or `codecjob image push` it")
    return warning(CHECK, f"{trouble}; a pod that cannot pull its image is paid for and never starts")


def _about_refusal(spec: JobSpec, trouble: ImageRefused) -> Finding:
    if spec.pod.registry is None:
        return error(CHECK, f"{trouble}; {_mend(spec)}")
    # The provider's credential is another one than this machine's, and nobody shows it.
    see = "with another account, this check can see it" if trouble.with_login else "this check can see it"
    host = host_of(str(spec.image))
    return warning(
        CHECK,
        f"{trouble}; after `docker login {host}` {see}, as {kind_of(spec.provider).title} may with pod.registry "
        f"{spec.pod.registry}",
    )


def _mend(spec: JobSpec) -> str:
    kind = kind_of(spec.provider)
    if not kind.registry_login:
        return "check its name, or make it public"
    if spec.nodes > 1 and not kind.clusters_log_in:
        return f"check its name, or make it public: {kind.title}'s clusters take no other"
    return (
        f"check its name, make it public, or store a credential in {kind.registry_login} and give its id as "
        "pod.registry"
    )


def _pinned(spec: JobSpec, found: RemoteImage) -> JobSpec:
    cuda = found.labels.get(LABELS["cuda"], "")
    pod = spec.pod
    if pod.min_cuda is None and CUDA.fullmatch(cuda):
        pod = pod.model_copy(update={"min_cuda": cuda})
    return spec.model_copy(update={"image": found.pinned, "pod": pod})


def _about(spec: JobSpec, found: RemoteImage) -> list[Finding]:
    missing = [label for label in LABELS.values() if label not in found.labels]
    kind = kind_of(spec.provider)
    can_log_in = spec.pod.registry is not None and (spec.nodes == 1 or kind.clusters_log_in)
    if not found.public and not can_log_in:
        return [error(CHECK, f"image {spec.image}: is private, and {kind.title} has no login for it; {_mend(spec)}")]
    if missing:
        said = f"{found.pinned} was not built by codecjob: it has no label {missing[0]}"
        return [warning(CHECK, f"{said}; a pod without `python -P -m job.supervisor` never reports")]
    version, cuda = found.labels[LABELS["version"]], found.labels[LABELS["cuda"]]
    who = "public" if found.public else "private"
    return [note(CHECK, f"{found.pinned}: codecjob {version}, CUDA {cuda}, {size(found.size)} to pull, {who}")]
