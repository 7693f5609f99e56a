"""What every provider of pods promises, whatever machine stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

RUN_VARIABLE = "CODECJOB_RUN"
ATTEMPT_VARIABLE = "CODECJOB_ATTEMPT"
POD_ID_VARIABLE = "CODECJOB_POD_ID"
LAUNCH_ID_VARIABLE = "CODECJOB_LAUNCH_ID"
PROVIDER_VARIABLE = "CODECJOB_PROVIDER"
WORKSPACE_VARIABLE = "CODECJOB_WORKSPACE"
# How the nodes of a pod meet, in the words of torch and of RunPod's clusters; only where there are several.
NODES_VARIABLE = "NUM_NODES"
NODE_RANK_VARIABLE = "NODE_RANK"
MASTER_ADDR_VARIABLE = "MASTER_ADDR"
MASTER_PORT_VARIABLE = "MASTER_PORT"


class ProviderError(Exception):
    """The provider could not do what it was asked; one line: what failed, where, how to mend it."""


class NoCapacity(ProviderError):
    """Nothing of the wanted kind is free now; another offer or a later try may work."""


class Unauthorised(ProviderError):
    """The provider refuses the credentials."""


class NoBalance(ProviderError):
    """The account cannot pay; nothing will start until it is topped up."""


class InvalidRequest(ProviderError):
    """The request itself is wrong and will never work as it is."""


class OfferRefused(InvalidRequest):
    """The provider does not say whether it is this offer that it refuses or the request: another offer may work."""


class Transient(ProviderError):
    """No clear answer: a timeout, a server error. The call may have worked all the same."""


class RateLimited(Transient):
    """The provider wants fewer calls and has refused this one: certainly nothing was done."""


class CannotTell(ProviderError):
    """This machine or account cannot see whether the pod lives. Never a proof that it is gone."""


class PodState(StrEnum):
    """How far a listed pod is. A pod that is gone is not listed and has no state."""

    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    """Runs nothing, yet the provider keeps it, and may bill its disk."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind of machine that can be had. Advisory: the launch may still fail with `NoCapacity`."""

    provider: str
    gpu: str
    """The provider's own name of the kind of GPU; empty where the machine has none."""
    price_per_hour: float
    """USD for one GPU, 0.0 where nothing is paid."""
    available: bool
    cloud: str = ""
    """Which of the provider's pools it is in, where there are several."""
    data_centers: tuple[str, ...] = ()
    """Where it can be had now, the likeliest first; empty where the provider does not say or has one place only."""
    memory_gb: int | None = None
    """Of one GPU."""
    stock: str = ""
    """How much of it there is, in the provider's own word; empty where it does not say."""
    anywhere: bool = False
    """Whether the provider may take another place than `data_centers`, since nobody has asked for these."""
    placeless: bool = False
    """Whether it is in no data center, and so never in one that is asked for."""

    def total_price(self, machine: Machine) -> float:
        """USD per hour for all GPUs of all nodes; a node without a GPU has the price of one."""
        return self.price_per_hour * max(machine.gpu_count, 1) * machine.nodes


@dataclass(frozen=True, slots=True)
class Machine:
    """What a pod is to run on. A provider leaves aside what it has no notion of."""

    image: str = ""
    """Reference of the image, with its digest where that is known; empty where no image is needed."""
    gpu_count: int = 1
    """GPUs of one node; 0 asks for none."""
    nodes: int = 1
    """Machines that train together. More than one is listed and ended as one pod."""
    disk_gb: int = 40
    network_volume: str | None = None
    """Id of a volume that is kept; without one the workspace goes with the pod."""
    min_cuda: str | None = None
    """Oldest CUDA version that the host's driver must support, such as "13.0"."""
    registry: str | None = None
    """Id by which the provider knows the credential of a private registry."""
    cpus: float | None = None
    memory_gb: float | None = None
    """Limits of one node; None is as much as there is."""
    network: str | None = None
    """Which of the provider's networks the pod joins, such as "host" of Docker; None leaves it to the provider."""
    ssh: bool = False
    """Whether people may log in, where the provider has a way for that."""
    mounts: tuple[str, ...] = ()
    """Folders of the client's machine that the pod writes at the same path; only a provider there has them."""
    mounts_read_only: tuple[str, ...] = ()
    """The same of folders that the pod only reads. What of ``mounts`` lies in one of them can be written."""


ANY_MACHINE = Machine()


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """Everything a pod is started from."""

    name: str
    """For people; carries the run and the attempt, need not be unique."""
    run_id: str
    attempt: int
    launch_id: str
    """Chosen by the caller, unique for each call of `launch`: how an ambiguous answer is resolved."""
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)  # may hold secrets
    machine: Machine = Machine()
    offer: Offer | None = None
    """Which of `offers` to take; None leaves the choice to the provider. One call tries one offer only."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that the provider lists."""

    id: str
    name: str
    run_id: str
    attempt: int
    launch_id: str
    state: PodState
    price_per_hour: float
    """USD, as the provider states it now."""
    created: float | None
    """Unix seconds by this machine's clock, whatever the provider's says; None where the provider does not say."""
    uptime: float | None = None
    """Seconds that its container has run; 0 while it has not started, None where the provider does not say.

    A pod that stays at 0 has a machine that cannot start it: it is billed and will do nothing.
    """
    data_center: str = ""
    """Where it is, where the provider has several places."""
    pool: str = ""
    """`pool_of` its cloud and GPU; empty where the provider does not say."""
    enter: str = ""
    """The command that opens a shell in it; empty where the pod allows none, or the provider does not say."""
    ends_itself: bool = True
    """Whether `terminate` from inside can work; what can only be ended from outside is billed until somebody does."""


def pool_of(cloud: str, gpu: str) -> str:
    """Name of a kind of machine whose place nobody knows: what is avoided after one of them has never started."""
    return f"{cloud}/{gpu}"


class Provider(Protocol):
    """Starts, finds and ends pods. Holds no policy: whom to end, and when, is decided elsewhere.

    Every method may raise `Unauthorised`, `Transient` or plain `ProviderError`.
    """

    @property
    def name(self) -> str:
        """The name by which `open_provider` knows it."""
        ...

    @property
    def settle_seconds(self) -> float:
        """How far apart two answers of `find` without a pod must lie to prove that it is gone and bills nothing."""
        ...

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        """Every kind that such a machine could have, cheapest first; `available` says whether it can be had now.

        Of the machine, what the provider can look for counts: GPUs, CUDA version, volume.
        """
        ...

    def preview(self, request: LaunchRequest) -> dict[str, Any]:
        """What `launch` would send for this request, ready for JSON; made by the same code, and sent to nobody.

        The request's `env` is shown as it is, where it is shown at all: hide secrets first. Raises `InvalidRequest`
        for what can be told to be wrong without asking anybody.
        """
        ...

    def launch(self, request: LaunchRequest) -> Pod:
        """Start a pod and return at once; the pod does not need the caller to stay alive.

        The command finds in its environment the request's `env`, CODECJOB_POD_ID, CODECJOB_LAUNCH_ID,
        CODECJOB_PROVIDER and CODECJOB_WORKSPACE, a folder to work in, which is also its working directory. Where nobody
        knows the pod's id before it is there, the provider's own variable stands for CODECJOB_POD_ID. Each of several
        nodes runs the command, and finds NUM_NODES, its NODE_RANK, MASTER_ADDR and MASTER_PORT besides.

        Raises `NoCapacity`, `NoBalance`, `Unauthorised`, `RateLimited` or `InvalidRequest` when certainly no pod was
        made (and its kind `OfferRefused` where another offer may do better). After any other error, or a crash, one may
        exist: look for the launch id in `find` before launching again.
        """
        ...

    def find(self, run_id: str | None) -> list[Pod]:
        """Every pod of a run, or of codecjob at all (None), that the provider still lists or bills, oldest first.

        The answer is complete or there is none: raises `CannotTell` rather than leave out a pod that may live.
        """
        ...

    def terminate(self, pod_id: str) -> None:
        """End a pod with everything in it and on it, for good. Silent when it is gone already.

        May be called from inside the pod; then it may return, and the caller has to exit by itself. Raises `CannotTell`
        when the pod is out of reach. Returning is no proof that the pod is gone: that is what `find` is for.
        """
        ...

    def logs(self, pod_id: str) -> Iterator[bytes]:
        """What the pod has printed so far, in pieces; nothing when the provider has no output of it, or no more."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """Capabilities of a provider, known without opening it: policy asks for these, never for a provider's name."""

    open: Callable[[], Provider]
    title: str
    """Its name in messages."""
    is_paid: bool = True
    """Whether its pods cost money: commands look there for orphans, and the watchdog watches it."""
    is_set_up: Callable[[], bool] = bool
    """Whether this machine has the key to ask it. Cheap, and asks nobody; only of paid providers."""
    at_home: bool = False
    """Whether its pods run on this machine: they reach its folders, and have the GPU that it has."""
    is_this_user: bool = False
    """Whether its pods are processes of this user: they run what is installed here, and inherit the environment."""
    pulls_image: bool = True
    """Whether a pod fetches its image from a registry, on paid time. Else the launch itself says that it is missing."""
    exits_end_pod: bool = False
    """Whether a pod ends with its first process. Any other is started again until somebody terminates it."""
    pod_id_variable: str = POD_ID_VARIABLE
    """The variable that tells a pod its own id."""
    pod_secret: Callable[[str], str] | None = None
    """What an environment holds for one of the provider's own secrets, by its name; None where it keeps none."""
    shows_environment: str = ""
    """Who else can read a pod's environment; empty for nobody."""
    registry_login: str = ""
    """Where it stores credentials of private registries."""
    clusters_log_in: bool = True
    """Whether pods of several nodes can use such a credential."""
    balance: str = ""
    """Where the account's balance stands, if no call tells it."""


@runtime_checkable
class TellsAccount(Protocol):
    """Optional capability: whose pods `Provider.find` lists. Nobody else's answer proves that a pod is gone."""

    def account(self) -> str | None:
        """Name of the account, no secret, the same for all its keys; None where the provider does not say.

        Raises as the methods of `Provider` do.
        """
        ...


@runtime_checkable
class TellsClock(Protocol):
    """Optional capability: the provider's own clock."""

    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the provider's; None where that is not known."""
        ...


@runtime_checkable
class TellsBoot(Protocol):
    """What a provider can do besides if it tells how far a pod is that does not run yet."""

    def boot_log(self, pod_id: str) -> Iterator[bytes]:
        """What the pod's machine has said so far of pulling the image and starting the container, in pieces.

        May take seconds. Raises as the methods of `Provider` do.
        """
        ...


@runtime_checkable
class Bills(Protocol):
    """What a provider can do besides if it tells what it has billed: ask with `isinstance(provider, Bills)`."""

    def billed(self, pod_id: str) -> float | None:
        """USD that the provider has put on its bill for a pod, living or gone; None where it knows of nothing.

        The newest hours may be missing. Raises as the methods of `Provider` do.
        """
        ...
