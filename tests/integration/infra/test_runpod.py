"""RunPod's provider over real HTTP before a fake that judges by the vendor's document: launching, finding, ending."""

from dataclasses import replace
from pathlib import Path

import pytest
import requests

from fakes.runpod.contract import Contract
from fakes.runpod.desk import OFFER, Desk
from infra.pods import (
    Bills,
    CannotTell,
    InvalidRequest,
    NoBalance,
    NoCapacity,
    OfferRefused,
    PodState,
    ProviderError,
    RateLimited,
    Transient,
    Unauthorised,
    runpod_client,
)
from infra.pods.runpod import RunPodProvider
from infra.pods.runpod_client import Client


def test_a_launch_is_one_pod_where_it_was_wanted(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    assert (pod.run_id, pod.attempt, pod.launch_id, pod.price_per_hour) == ("a", 1, "f00d", 0.69)
    assert pod.data_center == "US-KS-2"
    assert desk.provider.find("a") == desk.provider.find(None)
    assert [found.id for found in desk.provider.find("a")] == [pod.id]


def test_an_api_without_cmd_is_asked_once_only_in_its_new_form(desk: Desk, runpod_contract: Contract) -> None:
    desk.server.api.contract = runpod_contract
    for number in range(3):
        desk.provider.launch(desk.request(launch_id=f"f00{number}"))
    assert desk.creates() == 4
    assert [pod.body["args"] for pod in desk.account.living()] == ["python"] * 3


def test_an_api_with_cmd_gets_the_command_as_it_is(desk: Desk) -> None:
    desk.provider.launch(desk.request())
    assert desk.creates() == 1
    assert [pod.body["cmd"] for pod in desk.account.living()] == [["python"]]


def test_without_an_offer_the_cheapest_that_is_free_is_taken(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request(offer=None))
    assert desk.account.pods[pod.id].body["gpu"]["id"] == "NVIDIA RTX A4000"


def test_the_price_of_a_pod_that_shows_none_yet_is_the_offers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    create = desk.account.create_pod
    monkeypatch.setattr(desk.account, "create_pod", lambda body: replace(create(body), price=0.0))
    assert desk.provider.launch(desk.request(gpu_count=2)).price_per_hour == pytest.approx(1.38)


@pytest.fixture
def desk(runpod_desk: Desk) -> Desk:
    return runpod_desk


NOWHERE = replace(OFFER, data_centers=("MARS-1",))
REFUSALS = [
    (400, "No instances available", NoCapacity),
    (400, "a rule is broken", OfferRefused),
    (401, "bad token", Unauthorised),
    (402, "insufficient balance", NoBalance),
    (403, "no access to the pool", NoCapacity),
    (422, "Request validation failed.", InvalidRequest),
]


@pytest.mark.parametrize(("status", "detail", "kind"), REFUSALS)
def test_a_refused_launch_is_asked_once_and_makes_no_pod(
    desk: Desk, status: int, detail: str, kind: type[ProviderError]
) -> None:
    desk.fails("POST", "/pods", status=status, detail=detail)
    with pytest.raises(kind) as caught:
        desk.provider.launch(desk.request())
    assert type(caught.value) is kind
    assert detail in str(caught.value)
    assert desk.creates() == 1
    assert desk.account.living() == []


UNCLEAR = [
    {"status": 500},
    {"status": 503},
    {"status": None},
    {"status": 500, "after": True},
    {"status": None, "after": True},
]


@pytest.mark.parametrize("how", UNCLEAR)
def test_after_an_unclear_answer_nothing_is_created_a_second_time(desk: Desk, how: dict[str, object]) -> None:
    desk.fails("POST", "/pods", **how)
    with pytest.raises(Transient):
        desk.provider.launch(desk.request())
    assert desk.creates() == 1
    # What the launch left is found by its launch id: that is how a caller adopts it.
    assert [pod.launch_id for pod in desk.provider.find("a")] == ["f00d"] * bool(how.get("after"))


def test_a_create_without_an_answer_is_given_up_in_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.pods.runpod.CREATE_SECONDS", 0.2)
    desk.fails("POST", "/pods", status=None, after=True, silent_seconds=2.0)
    with pytest.raises(Transient, match="no answer from RunPod in time"):
        desk.provider.launch(desk.request())
    assert len(desk.provider.find("a")) == 1


def test_a_storm_of_429_is_waited_out_as_long_as_it_says(desk: Desk) -> None:
    desk.fails("POST", "/pods", status=429, times=3, retry_after=12)
    assert desk.provider.launch(desk.request()).run_id == "a"
    assert desk.slept == [12, 12, 12]
    assert len(desk.account.living()) == 1


def test_a_launch_that_gets_nothing_but_429_has_certainly_made_no_pod(desk: Desk) -> None:
    desk.fails("POST", "/pods", status=429, times=99, retry_after=20)
    with pytest.raises(RateLimited, match="fewer calls"):
        desk.provider.launch(desk.request())
    assert sum(desk.slept) <= runpod_client.QUOTA_SECONDS
    assert desk.account.pods == {}


def test_a_storm_of_429_without_an_end_is_given_up(desk: Desk) -> None:
    desk.fails("GET", "/pods", status=429, times=99, retry_after=20)
    with pytest.raises(Transient, match="fewer calls"):
        desk.provider.find("a")
    assert sum(desk.slept) <= runpod_client.QUOTA_SECONDS


def test_a_429_that_asks_for_an_hour_is_not_waited_for(desk: Desk) -> None:
    desk.fails("GET", "/pods", status=429, retry_after=3600)
    with pytest.raises(Transient):
        desk.provider.find("a")
    assert desk.slept == []


def test_a_client_that_asks_often_slows_down_before_it_is_refused(desk: Desk) -> None:
    now = [1_800_000_000.0]

    def sleep(seconds: float) -> None:
        desk.slept.append(seconds)
        now[0] += seconds

    desk.account.now, desk.account.quota, desk.provider.client.sleep = (lambda: now[0]), 60, sleep
    for _ in range(60):  # two calls each
        desk.provider.find("a")
    assert desk.slept
    assert max(desk.slept) < 30
    assert 60 < now[0] - 1_800_000_000.0 < 180
    assert len(desk.server.api.calls) == 120, "none was refused"


def test_a_reading_call_is_tried_again_after_what_may_pass(desk: Desk) -> None:
    desk.provider.launch(desk.request())
    desk.fails("GET", "/pods", status=502, times=2)
    desk.fails("GET", "/pods", status=None)
    assert len(desk.provider.find("a")) == 1


def test_an_outage_is_no_empty_list(desk: Desk) -> None:
    desk.provider.launch(desk.request())
    desk.fails("GET", "/pods", status=500, times=99)
    with pytest.raises(Transient):
        desk.provider.find("a")


def test_nobody_there_is_no_empty_list() -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        RunPodProvider(Client("http://127.0.0.1:9/v2", "rpa_x", lambda seconds: None)).find(None)


def test_a_wrong_key_and_none_are_one_line_each(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = RunPodProvider(Client(desk.server.url, "rpa_wrong", desk.slept.append))
    for call in (wrong.offers, lambda: wrong.find(None), lambda: wrong.launch(desk.request())):
        with pytest.raises(Unauthorised, match="does not know the key") as caught:
            call()
        assert "rpa_wrong" not in str(caught.value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    with pytest.raises(Unauthorised, match="no RunPod key"):
        RunPodProvider(Client(desk.server.url)).find(None)


def test_no_balance_is_said_as_it_is(desk: Desk) -> None:
    desk.account.balance = 0.1
    with pytest.raises(NoBalance, match="top it up"):
        desk.provider.launch(desk.request())


def test_a_full_data_center_is_no_capacity(desk: Desk) -> None:
    with pytest.raises(NoCapacity, match="no longer any instances available"):
        desk.provider.launch(desk.request(offer=NOWHERE))


def test_the_accounts_key_never_goes_to_a_pod(desk: Desk) -> None:
    request = replace(desk.request(), env={"SOMETHING": desk.account.key})
    with pytest.raises(InvalidRequest, match="holds the account's key") as caught:
        desk.provider.launch(request)
    assert desk.account.key not in str(caught.value)
    pod = desk.provider.launch(desk.request())
    assert desk.account.key not in str(desk.account.pods[pod.id].body)


def test_a_secret_that_the_vendor_repeats_is_masked(desk: Desk) -> None:
    desk.fails("POST", "/pods", status=400, detail="env TOKEN=s3cr3t-t0ken is bad")
    with pytest.raises(InvalidRequest) as caught:
        desk.provider.launch(desk.request())
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_all_pages_of_a_list_are_read(desk: Desk, size: int) -> None:
    pods = [desk.provider.launch(desk.request(f"run-{number}", f"f00{number}")) for number in range(5)]
    desk.account.page_size = size
    assert {pod.id for pod in desk.provider.find(None)} == {pod.id for pod in pods}


def test_a_list_that_breaks_off_on_a_later_page_is_no_answer(desk: Desk) -> None:
    for number in range(3):
        desk.provider.launch(desk.request(f"run-{number}", f"f00{number}"))
    desk.account.page_size = 1
    desk.fails("GET", "/pods", skip=2, times=99)
    with pytest.raises(Transient):
        desk.provider.find(None)


@pytest.mark.parametrize(
    "document", [{}, {"pods": None}, {"pods": [7]}, {"pods": [], "pagination": {"hasNextPage": True}}]
)
def test_an_answer_that_is_no_list_is_no_empty_list(desk: Desk, document: dict[str, object], monkeypatch) -> None:
    monkeypatch.setattr(desk.provider.client, "get", lambda *args, **query: document)
    with pytest.raises(CannotTell):
        desk.provider.find(None)


def test_pods_that_are_not_codecjobs_are_never_returned(desk: Desk) -> None:
    desk.account.create_pod({"name": "my notebook", "image": "jupyter", "gpu": {"id": OFFER.gpu}, "env": {"A": "b"}})
    pod = desk.provider.launch(desk.request())
    assert [found.id for found in desk.provider.find(None)] == [pod.id]


def test_an_exited_pod_is_listed_since_its_disk_is_billed(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.account.act(desk.account.pods[pod.id], "stop")
    (found,) = desk.provider.find("a")
    assert (found.state, found.price_per_hour, found.uptime) == (PodState.EXITED, 0.0, None)
    desk.provider.terminate(pod.id)
    assert desk.provider.find("a") == []


def test_a_vanished_pod_is_not_listed(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.account.vanish(pod.id)
    assert desk.provider.find("a") == []
    desk.provider.terminate(pod.id)


def test_a_stuck_start_shows_as_a_pod_that_runs_and_has_no_uptime(desk: Desk) -> None:
    desk.account.faults.stuck_data_centers.add("US-KS-2")
    stuck = desk.provider.launch(desk.request())
    elsewhere = desk.provider.launch(desk.request("b", "beef", replace(OFFER, data_centers=("EU-RO-1",))))
    found = {pod.id: pod for pod in desk.provider.find(None)}
    assert (found[stuck.id].state, found[stuck.id].uptime, found[stuck.id].data_center) == (
        PodState.RUNNING,
        0,
        "US-KS-2",
    )
    assert (found[elsewhere.id].uptime or 0) > 0


def deleted(desk: Desk) -> list[tuple[str, str]]:
    return [(method, path.rsplit("/", 1)[-1]) for method, path in desk.server.api.calls if method != "GET"]


def test_terminate_is_silent_and_final(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.provider.terminate(pod.id)
    desk.provider.terminate(pod.id)
    assert desk.account.living() == []


def test_a_delete_that_is_refused_is_repeated_and_then_done_by_the_action(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.fails("DELETE", "/pods/.*", status=403, times=99)
    desk.provider.terminate(pod.id)
    assert deleted(desk)[-5:] == [("DELETE", pod.id)] * 4 + [("POST", "action")]
    assert desk.account.living() == []


def test_a_delete_that_works_at_last_needs_no_action(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.fails("DELETE", "/pods/.*", status=403, times=2)
    desk.provider.terminate(pod.id)
    assert ("POST", "action") not in deleted(desk)
    assert desk.account.living() == []


def test_a_pod_that_can_only_be_stopped_is_reported_as_billed(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.fails("DELETE", "/pods/.*", status=403, times=99)
    desk.fails("POST", "/pods/.*/action", status=403)
    with pytest.raises(ProviderError, match="stopped now and its disk is still billed"):
        desk.provider.terminate(pod.id)
    assert [found.state for found in desk.provider.find("a")] == [PodState.EXITED]


def test_a_pod_is_not_stopped_for_want_of_calls(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.fails("DELETE", "/pods/.*", status=429, retry_after=60, times=2)
    desk.fails("POST", "/pods/.*/action", status=429, retry_after=60, times=2)
    with pytest.raises(Transient, match="fewer calls"):
        desk.provider.terminate(pod.id)
    assert PodState.EXITED not in [found.state for found in desk.provider.find("a")]
    desk.provider.terminate(pod.id)
    assert desk.account.living() == []


def test_where_nothing_ends_a_pod_the_caller_hears_it(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.fails("DELETE", "/pods/.*", status=500, times=99)
    desk.fails("POST", "/pods/.*/action", status=500, times=99)
    with pytest.raises(Transient):
        desk.provider.terminate(pod.id)
    assert len(desk.provider.find("a")) == 1


@pytest.mark.parametrize("pod_id", ["", "../account", "cluster:", "a/b", "x?y"])
def test_what_is_no_id_is_not_put_into_an_address(desk: Desk, pod_id: str) -> None:
    with pytest.raises(InvalidRequest, match="no id"):
        desk.provider.terminate(pod_id)


def test_a_pods_own_key_ends_that_pod_and_no_other(desk: Desk) -> None:
    own, other = (desk.provider.launch(desk.request(run, run * 4)) for run in "ab")
    inside = RunPodProvider(Client(desk.server.url, desk.account.pods[own.id].key, desk.slept.append))
    with pytest.raises(Unauthorised):
        inside.terminate(other.id)
    inside.terminate(own.id)
    assert [pod.id for pod in desk.provider.find(None)] == [other.id]


def test_the_bill_is_the_vendors_and_outlives_the_pod(desk: Desk) -> None:
    assert isinstance(desk.provider, Bills)
    pod = desk.provider.launch(desk.request())
    fake = desk.account.pods[pod.id]
    fake.created -= 3600
    desk.provider.terminate(pod.id)
    assert desk.provider.billed(pod.id) == pytest.approx(sum(fake.usd(desk.account.now())), abs=1e-6)
    assert desk.provider.billed(pod.id) == pytest.approx(0.69 + 40 * 0.0002, abs=0.01)
    assert desk.provider.billed("another") is None


def test_the_clock_is_compared_with_the_vendors(desk: Desk) -> None:
    ahead = desk.provider.clock_ahead()
    assert ahead is not None
    assert abs(ahead) < 5


def test_the_fake_refuses_what_the_document_does_not_have(desk: Desk) -> None:
    answer = requests.post(
        f"{desk.server.url}/pods",
        json={"name": "x", "image": "y", "gpu": {"id": OFFER.gpu}, "bogus": 1},
        headers={"Authorization": f"Bearer {desk.account.key}"},
        timeout=5,
    )
    assert answer.status_code == 422
    assert "bogus" in str(answer.json()["errors"])


EDGE = "<html>Access denied</html> error code: 1010"


def test_a_refusal_by_what_stands_before_runpod_is_no_answer_of_runpods(desk: Desk) -> None:
    """Neither "none free" at a create, nor "no clusters", nor "gone"."""
    pod = desk.provider.launch(desk.request(nodes=2))
    desk.fails("POST", "/pods", status=403, page=EDGE)
    with pytest.raises(Transient, match="something before RunPod"):
        desk.provider.launch(desk.request("b", "beef"))
    for path in ("/pods", "/clusters"):
        desk.fails("GET", path, times=4, status=403, page=EDGE)
        with pytest.raises(Transient, match="something before RunPod"):
            desk.provider.find(None)
    for status in (403, 404):
        desk.fails("DELETE", "/clusters/.*", times=4, status=status, page=EDGE)
        with pytest.raises(Transient, match="something before RunPod"):
            desk.provider.terminate(pod.id)
    assert [found.id for found in desk.provider.find(None)] == [pod.id]
    desk.fails("GET", "/clusters", times=2, status=403, page=EDGE)
    assert len(desk.provider.find(None)) == 1, "it passes"


def test_the_client_has_a_name_of_its_own(desk: Desk) -> None:
    """Cloudflare refuses the default names of Python's libraries before RunPod looks at the key."""
    assert str(desk.provider.client.session.headers["User-Agent"]).startswith("codecjob/")


def test_a_locked_pod_says_how_it_can_be_ended(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    desk.account.pods[pod.id].locked = True
    before = len(desk.server.api.calls)
    with pytest.raises(ProviderError, match=r"it is locked.*unlock it in the console") as caught:
        desk.provider.terminate(pod.id)
    assert type(caught.value) is ProviderError
    assert desk.server.api.calls[before:] == [("DELETE", f"/pods/{pod.id}")], "no other way would end it either"
    desk.account.pods[pod.id].locked = False
    desk.provider.terminate(pod.id)
    assert desk.provider.find("a") == []


def test_an_image_that_no_registry_has_is_billed_and_never_starts(desk: Desk) -> None:
    desk.account.faults.missing_images.add("ghcr.io/me/codecjob:1")
    desk.provider.launch(desk.request())
    (found,) = desk.provider.find("a")
    assert (found.state, found.uptime, found.price_per_hour) == (PodState.RUNNING, 0.0, 0.69)


def test_an_unknown_gpu_is_the_requests_fault(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="Unknown GPU type: NVIDIA RTX 9"):
        desk.provider.launch(desk.request(offer=replace(OFFER, gpu="NVIDIA RTX 9")))


def test_a_container_that_starts_again_counts_from_zero(desk: Desk) -> None:
    pod = desk.provider.launch(desk.request())
    fake = desk.account.pods[pod.id]
    fake.created -= 3600
    (before,) = desk.provider.find("a")
    desk.account.act(fake, "restart")
    (after,) = desk.provider.find("a")
    assert (before.uptime or 0) > 3000
    assert (after.uptime or 0) < 60
