"""The fake without a server and on a clock of its own, as a test of many histories needs it."""

import pytest

from fakes.runpod.account import Account
from fakes.runpod.api import Api
from fakes.runpod.contract import Contract
from fakes.runpod.desk import OFFER
from fakes.runpod.faults import Fault
from fakes.runpod.pods import Paper
from fakes.runpod.server import Direct
from infra.pods import LaunchRequest, Machine, PodState, Transient
from infra.pods.runpod import RunPodProvider
from infra.pods.runpod_client import Client

URL = "https://runpod.test/v2"


class World:
    """An account at a time that only moves when somebody sleeps."""

    def __init__(self, contract: Contract) -> None:
        self.time = 1_800_000_000.0
        self.account = Account(Paper(start_seconds=120.0), now=lambda: self.time)
        self.api = Api(self.account, contract)
        client = Client(URL, self.account.key, self.sleep)
        client.session.mount(URL, Direct(self.api))
        self.provider = RunPodProvider(client)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def world(runpod_contract: Contract) -> World:
    return World(Contract(runpod_contract.document, takes_cmd=True))


REQUEST = LaunchRequest("codecjob-a-1", "a", 1, "f00d", ("python",), {}, Machine(image="x"), OFFER)


def test_a_pod_starts_and_costs_by_that_clock(world: World) -> None:
    pod = world.provider.launch(REQUEST)
    assert pod.created == world.time
    (found,) = world.provider.find("a")
    assert (found.state, found.uptime) == (PodState.STARTING, 0)
    world.sleep(3600)
    (found,) = world.provider.find("a")
    assert found.state is PodState.RUNNING
    assert found.uptime == pytest.approx(3480, abs=2)
    assert world.provider.billed(pod.id) == pytest.approx(0.69 + 40 * 0.0002, abs=1e-6)
    world.provider.terminate(pod.id)
    world.sleep(3600)
    assert world.provider.billed(pod.id) == pytest.approx(0.69 + 40 * 0.0002, abs=1e-6)
    assert world.api.violations == []


def test_faults_pass_in_no_time(world: World) -> None:
    world.account.faults.add(Fault("POST", "/pods", status=None, after=True))
    world.account.faults.add(Fault("GET", "/pods", status=503, times=3))
    before = world.time
    with pytest.raises(Transient):
        world.provider.launch(REQUEST)
    assert [pod.launch_id for pod in world.provider.find("a")] == ["f00d"]
    assert world.time - before == 7


def test_output_is_read_without_a_stream(world: World) -> None:
    pod = world.provider.launch(REQUEST)
    world.account.pods[pod.id].printed = [(world.time, "one"), (world.time, "two")]
    assert b"".join(world.provider.logs(pod.id)) == b"one\ntwo\n"
