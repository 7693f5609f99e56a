import os
from pathlib import Path
from typing import Any

import pytest

from codec.audio import ClipInfo
from infra.pods import ANY_MACHINE, InvalidRequest, Machine, Offer
from infra.pods.local import LocalProvider
from infra.store import open_store
from job.checks.finding import Finding, Level
from job.checks.preflight import resources
from job.dataset import LocalData
from job.run.store_access import KEY_VARIABLE, SECRET_VARIABLE
from job.spec.load import check_spec
from job.spec.model import JobSpec
from job.spec.trainer_plan import TrainerPlan

GB = 10**9
NEEDED = resources.Forecast(data=GB, checkpoint=GB, pod=7 * GB, store=101 * GB)


def levels(*findings: Any) -> list[Level]:
    return [finding.level for finding in findings if finding.level is not Level.NOTE]


def test_the_forecast_counts_every_epochs_checkpoint_in_the_store() -> None:
    clip = ClipInfo(
        path=Path("/clips/a.wav"), sample_rate=16000, channels=1, seconds=1.0, rms=0.1, peak=0.5, finite=True, dc=0.0,
        clipped=0.0, length=250, sha256="0" * 64, envelope=(),
    )  # fmt: skip
    data = LocalData(Path("/clips"), 16000, (clip,), ())
    config = {"keep_checkpoints": 3, "num_epochs": 100}
    plan = TrainerPlan(config=config, hop=80, bitrate_kbps=16, parameters=1, checkpoint_bytes=1000)
    needed = resources.forecast(data, plan)
    assert (needed.pod, needed.store) == (500 + 5 * 1000, 500 + 100 * 1000)


@pytest.mark.parametrize(
    ("pod_free", "store_free", "expected"),
    [
        (200 * GB, 200 * GB, []),
        (None, None, []),
        (6 * GB, 200 * GB, [Level.WARNING]),
        (200 * GB, 100 * GB, [Level.WARNING]),
        (2 * GB, None, [Level.ERROR]),
        (2 * GB, 2 * GB, [Level.ERROR, Level.ERROR]),
    ],
)
def test_room_on_two_disks(pod_free: int | None, store_free: int | None, expected: list[Level]) -> None:
    assert levels(*resources.about_disk(NEEDED, pod_free, store_free, same_disk=False)) == expected


def test_room_on_one_disk_is_needed_for_both() -> None:
    assert levels(*resources.about_disk(NEEDED, 105 * GB, 105 * GB, same_disk=True)) == [Level.WARNING]
    assert levels(*resources.about_disk(NEEDED, 109 * GB, 109 * GB, same_disk=True)) == []


def spec(**changes: Any) -> JobSpec:
    return JobSpec.model_validate({"name": "a", "data": "/clips", "max_hours": 10, **changes})


def rented(**changes: Any) -> JobSpec:
    return spec(provider="p", image="me/codec:1", **changes)


def about(offers: list[Offer], job: JobSpec) -> list[Any]:
    class Shop(LocalProvider):
        def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
            return offers

    return resources.about_machine(Shop(), job)[1]


def test_the_price_is_that_of_the_cheapest_free_offer() -> None:
    offers = [Offer("p", "A40", 0.4, False), Offer("p", "H100", 2.5, True), Offer("p", "L4", 0.5, True)]
    (price,) = about(offers, rented())
    assert price.message == "L4 at 0.50 USD/h, at most 5.00 USD in max_hours 10"
    messages = [finding.message for finding in about(offers, rented(max_cost=2.0))]
    assert "max_cost 2 USD ends the run after 4.0 h" in messages


def test_the_price_counts_every_gpu_of_every_node() -> None:
    offers = [Offer("p", "L4", 0.5, True), Offer("p", "A40", 0.6, True)]
    (price,) = about(offers, rented(gpu_count=2, nodes=2))
    assert price.message.startswith(
        "2 nodes x 2 x L4 at 2.00 USD/h, at most 20.00 USD in max_hours 10; if that is taken"
    )
    assert price.message.endswith("1 more, at most 2.40 USD/h")


def test_nothing_to_be_had() -> None:
    assert levels(*about([Offer("p", "A40", 0.4, False)], rented())) == [Level.WARNING]
    assert levels(*about([], rented())) == [Level.WARNING]


def test_a_price_above_the_limit_and_a_missing_image_are_errors() -> None:
    offers = [Offer("p", "A40", 0.4, True)]
    assert levels(*about(offers, rented(max_price_per_hour=0.3))) == [Level.ERROR]
    (finding,) = about(offers, spec(provider="p"))
    assert (finding.check, finding.level) == ("machine", Level.ERROR)
    assert "codecjob image push" in finding.message


def test_this_machine_is_free(tmp_path: Path) -> None:
    (finding,) = resources.about_machine(LocalProvider(tmp_path), spec())[1]
    assert (finding.level, finding.message) == (Level.NOTE, "this machine on provider local: nothing is paid")


def test_a_look_at_a_store_leaves_nothing(tmp_path: Path) -> None:
    (finding,) = resources.about_store(open_store(str(tmp_path / "new" / "store")))
    assert finding.level is Level.NOTE
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "store").mkdir()
    assert resources.about_store(open_store(str(tmp_path / "store")))[0].level is Level.NOTE
    assert list(tmp_path.rglob("*")) == [tmp_path / "store"]


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_place_of_a_store(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").write_text("a file")
    (finding,) = resources.about_store(open_store(str(tmp_path / "taken" / below)))
    assert finding.level is Level.ERROR
    assert f"{tmp_path / 'taken'} is a file" in finding.message


def test_a_place_that_this_user_may_not_enter_is_a_finding(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    store = open_store(str(closed / "deeper" / "store"))
    users = os.getresuid()
    os.setresuid(*((65534, 65534, -1) if users[0] == 0 else (-1, -1, -1)))  # root may enter everything
    try:
        (finding,) = resources.about_store(store)
    finally:
        os.setresuid(*users)
    assert finding.level is Level.ERROR
    assert "no right to write in" in finding.message


def test_what_the_provider_refuses_of_the_spec_is_a_finding() -> None:
    class Shop(LocalProvider):
        def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
            raise InvalidRequest("this account has no volume of that id")

    _, (finding,) = resources.about_machine(Shop(), rented())
    assert (finding.check, finding.level) == ("machine", Level.ERROR)
    assert finding.message == "this account has no volume of that id"


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert resources.free_bytes(tmp_path / "not" / "there") == pytest.approx(resources.free_bytes(tmp_path), rel=0.1)
    assert resources.same_disk(tmp_path / "not", tmp_path)


# Credentials of the pod; real servers are in tests/integration/job/test_pod_access.py.
URL = "s3://bucket/lab?endpoint=https://s3.example.com"


@pytest.fixture
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_VARIABLE, SECRET_VARIABLE, "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")


def look_at_access(provider: str, **access: object) -> list[Finding]:
    document = {"name": "speech", "data": "clips", "provider": provider, "access": access}
    return resources.about_access(check_spec(document, "test"), URL)


def test_a_local_pod_is_no_matter() -> None:
    assert look_at_access("local") == []


@pytest.mark.usefixtures("own_key")
def test_what_a_pod_gets_is_noted_and_what_it_can_reach_is_a_warning() -> None:
    noted, warned = look_at_access("docker")
    assert (noted.level, noted.message) == (Level.NOTE, "the pod reaches the store with: own key")
    assert (warned.level, warned.check) == (Level.WARNING, "access")
    assert "also delete" in warned.message


@pytest.mark.usefixtures("own_key")
def test_a_pod_that_would_get_nothing_stops_the_run() -> None:
    (found,) = look_at_access("runpod")
    assert found.level is Level.ERROR
    assert "access.share_own_key: true" in found.message
    assert "own-secret" not in found.message
    assert [finding.level for finding in look_at_access("runpod", share_own_key=True)] == [Level.NOTE, Level.WARNING]
