"""The image that this user's pods run unless a spec names one: what was built and pushed last, in $CODECJOB_HOME."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.files import write_atomic
from job.errors import UsageError
from job.paths import home


class KnownImage(BaseModel):
    """What `codecjob image build` made, and where `codecjob image push` has put it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tag: str
    """The name by which the engine that built it knows it."""
    id: str
    pushed: str | None = None
    """Reference with its digest: always this very image."""
    version: str
    commit: str
    torch: str
    cuda: str
    """Oldest CUDA version that a host's driver must support."""

    def references(self, with_built: bool) -> tuple[str, ...]:
        """How a pod may name it, the best first; what was only built is known to no other engine."""
        names = (self.pushed, self.tag if with_built else None)
        return tuple(name for name in names if name)


def path() -> Path:
    """The file, below $CODECJOB_HOME (~/.codecjob)."""
    return home() / "image.json"


def read() -> KnownImage | None:
    """None where nothing has been built.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return KnownImage.model_validate_json(path().read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path()}: cannot be read; remove it, `codecjob image build` writes it anew") from error


def write(image: KnownImage) -> None:
    """Remembers an image."""
    path().parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path(), [image.model_dump_json(indent=2).encode()])
