"""Which image a run takes whose spec names none."""

from pathlib import Path

import pytest

from infra.pods import Machine
from infra.store.folder import FolderStore
from job.errors import UsageError
from job.run import last_image
from job.run.last_image import KnownImage
from job.run.machine import machine, with_known_image, with_mounts
from job.spec.load import check_spec
from job.spec.model import JobSpec

BUILT = KnownImage(tag="codecjob:latest", id="sha256:1", version="0.1.0", commit="c", torch="2.11.0", cuda="13.0")
PUSHED = BUILT.model_copy(update={"tag": "me/codecjob:1", "pushed": "me/codecjob@sha256:ab"})


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def spec(provider: str, **changes: object) -> JobSpec:
    return check_spec({"name": "a", "data": "/clips", "provider": provider, **changes}, "test")


def test_nothing_is_known_at_first() -> None:
    assert last_image.read() is None
    assert with_known_image(spec("docker")).image is None
    with pytest.raises(UsageError, match="codecjob image build"):
        machine(spec("docker"))


def test_what_was_only_built_is_for_docker_alone() -> None:
    last_image.write(BUILT)
    assert last_image.read() == BUILT
    assert machine(spec("docker")).image == "codecjob:latest"
    with pytest.raises(UsageError, match="codecjob image push"):
        machine(spec("runpod"))
    assert machine(spec("local")).image == ""


@pytest.mark.parametrize("provider", ["docker", "runpod"])
def test_what_was_pushed_is_named_with_its_digest_and_its_cuda(provider: str) -> None:
    last_image.write(PUSHED)
    assert with_known_image(spec(provider)).image == "me/codecjob@sha256:ab"
    wanted = machine(spec(provider))
    assert (wanted.image, wanted.min_cuda) == ("me/codecjob@sha256:ab", "13.0")


def test_the_specs_own_image_comes_first() -> None:
    last_image.write(PUSHED)
    wanted = machine(spec("runpod", image="other:1"))
    assert (wanted.image, wanted.min_cuda) == ("other:1", None)


def test_a_torn_file_says_what_to_do(home: Path) -> None:
    home.mkdir()
    (home / "image.json").write_text("{")
    with pytest.raises(UsageError, match="remove it") as error:
        last_image.read()
    assert "\n" not in str(error.value)


def test_a_folder_store_is_shared_with_containers_only(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    own = "runs/r/attempts/1"
    shared = with_mounts(Machine(), spec("docker"), store, own)
    assert shared == Machine(mounts_read_only=(str(tmp_path),), mounts=(str(tmp_path / own),)), "it writes its own part"
    assert with_mounts(Machine(), spec("local"), store, own) == Machine()
