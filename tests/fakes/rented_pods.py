"""A provider on simulated time that behaves as a vendor's worst days: see `Fault`.

A container whose process ends is started again at once, with an empty disk, until the pod is terminated. What a pod
costs is one thing: whether it is listed.
"""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fakes.world import EPOCH, Process, World
from infra.pods import (
    ANY_MACHINE,
    LAUNCH_ID_VARIABLE,
    MASTER_ADDR_VARIABLE,
    MASTER_PORT_VARIABLE,
    NODE_RANK_VARIABLE,
    NODES_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    LaunchRequest,
    Machine,
    NoCapacity,
    Offer,
    Pod,
    PodState,
    ProviderError,
    RateLimited,
    Transient,
)
from job.pod import supervisor

BOOT_SECONDS = 10.0
RESTART_SECONDS = 2.0
LATE_SECONDS = 20.0


class Fault(StrEnum):
    """How one create call goes wrong."""

    NONE = "none"
    NO_ROOM = "no room"
    TOO_MANY = "429, nothing created"
    ERROR_AFTER = "500 after creating"
    TIMEOUT_BEFORE = "timeout, nothing created"
    TIMEOUT_LATE = "timeout, created some time later"
    STUCK = "created, and its container never begins"


@dataclass
class Rented:
    """One pod, living or gone."""

    id: str
    request: LaunchRequest
    created: float
    starts: int = 0
    gone: float | None = None
    stuck: bool = False
    processes: list[Process] = field(default_factory=list)

    @property
    def nodes(self) -> int:
        """Its containers."""
        return self.request.machine.nodes


@dataclass
class Plan:
    """What goes wrong, in seconds since the beginning."""

    launches: list[Fault] = field(default_factory=list)
    """Of the create calls, in their order; those beyond the list go well."""
    silent: list[tuple[float, float]] = field(default_factory=list)
    """(begin, length): no call gets an answer; a create or an end works all the same."""
    refuses_self: bool = False
    """A pod may not end itself: 403."""
    agent_dies_at: list[int | None] = field(default_factory=list)
    """The call of each agent's or node's process, in the order of their starts, at which it is killed."""


class RentedPods:
    """See `infra.pods.base.Provider`. ``run_agent`` does in an actor what the container's agent process does."""

    name = "rented"
    settle_seconds = 10.0

    def __init__(self, world: World, plan: Plan, run_agent: Callable[["Container"], int]) -> None:
        self.world = world
        self.plan = plan
        self.run_agent = run_agent
        self.on_launch: Callable[[Rented], None] = lambda rented: None
        """Called just before a pod is made at once."""
        self.end_pod: Callable[[Container], None] = lambda container: None
        """What the supervisor has done in a process of its own, as an actor."""
        self.pods: dict[str, Rented] = {}
        self.launches = 0
        self.pod_clock_ahead = 0.0
        self.healthy_from = float("inf")
        """From then on only what a pod may never do is refused."""

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        self.world.step()
        self._answer()
        return [
            Offer(self.name, gpu, price, True, data_centers=("EU-1", "EU-2", "US-1"))
            for gpu, price in (("L4", 0.4), ("A40", 0.5), ("L40S", 0.7))
        ]

    def launch(self, request: LaunchRequest) -> Pod:
        self.world.step()
        healthy = self.world.now >= self.healthy_from
        fault = Fault.NONE if healthy or not self.plan.launches else self.plan.launches.pop(0)
        if fault is Fault.NO_ROOM:
            raise NoCapacity("there are no longer any instances available")
        if fault is Fault.TOO_MANY:
            raise RateLimited("fewer calls")
        if fault is Fault.TIMEOUT_BEFORE:
            raise Transient("timeout")
        self.launches += 1
        rented = Rented(f"pod-{self.launches}", request, self.world.now, stuck=fault is Fault.STUCK)
        if fault is Fault.TIMEOUT_LATE:
            vendor = Process("vendor")
            self.world.spawn(vendor, lambda: self._create(rented), self.world.now + LATE_SECONDS)
            raise Transient("timeout")
        self.on_launch(rented)
        self._create(rented)
        self.world.step()  # the client may die before it has read the answer
        if fault is Fault.ERROR_AFTER:
            raise Transient("internal server error")
        self._answer()
        return self._pod(rented)

    def account(self) -> str:
        self.world.step()
        self._answer()
        return "a stranger" if self.world.me().process.stranger else "me"

    def find(self, run_id: str | None) -> list[Pod]:
        self.world.step()
        self._answer()
        if self.world.me().process.stranger:
            return []
        return [self._pod(rented) for rented in self.billed() if run_id in (None, rented.request.run_id)]

    def terminate(self, pod_id: str) -> None:
        self.world.step()
        rented, me = self.pods[pod_id], self.world.me().process
        if me in rented.processes and (self.plan.refuses_self or rented.nodes > 1):  # no node ends its cluster
            raise ProviderError("403: this key may not end this pod")
        self.remove(pod_id)
        self.world.step()
        self._answer()

    def logs(self, pod_id: str) -> Iterator[bytes]:
        self.world.step()
        return iter(())

    def billed(self) -> list[Rented]:
        """What the vendor's own books say."""
        return [rented for rented in self.pods.values() if rented.gone is None]

    def remove(self, pod_id: str) -> None:
        """The pod is gone, whoever wanted that."""
        rented = self.pods[pod_id]
        if rented.gone is None:
            rented.gone = self.world.now
            for process in rented.processes:
                self.world.kill(process)

    def _answer(self) -> None:
        at = self.world.now
        if at < self.healthy_from and any(begin <= at - EPOCH < begin + length for begin, length in self.plan.silent):
            raise Transient("timeout")

    def _pod(self, rented: Rented) -> Pod:
        request = rented.request
        begun = rented.created + BOOT_SECONDS
        uptime = 0.0 if rented.stuck else max(self.world.now - begun, 0.0)
        state = PodState.STARTING if uptime == 0 else PodState.RUNNING
        place = request.offer.data_centers[0] if request.offer else ""
        ids = (rented.id, request.name, request.run_id, request.attempt, request.launch_id)
        created = rented.created + self.world.me().process.clock_ahead  # a client corrects it by the vendor's clock
        return Pod(*ids, state, 0.4, created, uptime, place, ends_itself=rented.nodes == 1)

    def _create(self, rented: Rented) -> None:
        rented.created = self.world.now
        self.pods[rented.id] = rented
        for rank in range(0 if rented.stuck else rented.nodes):
            self._start(rented, rank)

    def _start(self, rented: Rented, rank: int) -> None:
        """A container's first process, after the image was pulled."""
        process = Process("supervisor")
        process.clock_ahead = self.pod_clock_ahead
        rented.processes.append(process)
        self.world.spawn(process, lambda: self._contain(rented, rank), self.world.now + BOOT_SECONDS)

    def _contain(self, rented: Rented, rank: int) -> None:
        """The real supervisor's loop around an agent or a node; when it is over, the container is started again."""
        while True:
            rented.starts += 1
            deaths = self.plan.agent_dies_at
            agent = Process("node" if rank else "agent", deaths.pop(0) if deaths else None)
            agent.clock_ahead = self.pod_clock_ahead
            rented.processes.append(agent)
            container, deadline = Container(self.world, self, rented, agent, rank), self._deadline(rented)
            limit = float(container.env[supervisor.LIMIT_VARIABLE])
            code = supervisor.supervise(container, deadline, [], limit, container.until)
            self.world.kill(agent)  # nothing outlives the first process
            if supervisor.may_end_pod(container.env) and supervisor.has_to_end(code, deadline):
                self.end_pod(container)
            self.world.sleep(RESTART_SECONDS)

    def _deadline(self, rented: Rented) -> float:
        return float(rented.request.env[supervisor.DEADLINE_VARIABLE])


class Container:
    """The agent's process as the supervisor sees it, and the environment as the agent does."""

    def __init__(self, world: World, provider: RentedPods, rented: Rented, process: Process, rank: int) -> None:
        self.world = world
        self.rented = rented
        self.rank = rank
        self.process = process
        self.told: Callable[[], None] = lambda: None
        self.more_env: dict[str, str] = {}
        self.actor = world.spawn(process, lambda: provider.run_agent(self))

    @property
    def env(self) -> dict[str, str]:
        """All but the workspace, which is there once the agent has begun."""
        request, several = self.rented.request, {}
        if self.rented.nodes > 1:
            several = {NODES_VARIABLE: str(self.rented.nodes), NODE_RANK_VARIABLE: str(self.rank)}
            several |= {MASTER_ADDR_VARIABLE: "node0", MASTER_PORT_VARIABLE: "29500"}
        return {
            **request.env,
            **several,
            POD_ID_VARIABLE: self.rented.id,
            LAUNCH_ID_VARIABLE: request.launch_id,
            PROVIDER_VARIABLE: RentedPods.name,
            **self.more_env,
        }

    def until(self) -> float | None:
        """What the agent has written of its deadline."""
        return supervisor.told_until(self.env)

    def wait(self, timeout: float) -> int:
        if not self.actor.ended:
            self.world.wait(self.actor, timeout)
        if not self.actor.ended:
            raise subprocess.TimeoutExpired("agent", timeout)
        if self.actor.error is not None:
            return 1
        return self.actor.result if isinstance(self.actor.result, int) else -9

    def send_signal(self, sig: int) -> None:
        self.told()

    def kill(self) -> None:
        self.world.kill(self.process)
