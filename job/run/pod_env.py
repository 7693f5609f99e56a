"""What a client tells the pod through its environment: enough to find the run's record, and no more."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.pods import (
    ATTEMPT_VARIABLE,
    LAUNCH_ID_VARIABLE,
    MASTER_ADDR_VARIABLE,
    MASTER_PORT_VARIABLE,
    NODE_RANK_VARIABLE,
    NODES_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    RUN_VARIABLE,
    WORKSPACE_VARIABLE,
    kind_of,
)
from job.paths import STORE_VARIABLE
from job.record.documents import Claim

DEADLINE_VARIABLE = "CODECJOB_DEADLINE"
# The same as a duration, for a pod whose clock is wrong, see `job.pod.supervisor`.
LIMIT_VARIABLE = "CODECJOB_MAX_SECONDS"
# How many GPUs a node of the attempt has and pays: its trainer must use them or fail.
GPUS_VARIABLE = "CODECJOB_GPUS"
# A secret, see `job.record.compile_cache`.
SEAL_KEY_VARIABLE = "CODECJOB_SEAL_KEY"
# Set where the pod ends with its first process, see `job.pod.supervisor`.
EXIT_ENDS_POD_VARIABLE = "CODECJOB_EXIT_ENDS_POD"


@dataclass(frozen=True)
class Place:
    """A node's place among those that train together."""

    nodes: int
    rank: int
    """0 is the node that keeps the record."""
    master_addr: str
    master_port: int

    @classmethod
    def read(cls, env: Mapping[str, str]) -> "Place | None":
        """None for a pod of one node."""
        if int(env.get(NODES_VARIABLE) or 1) <= 1:
            return None
        return cls(
            nodes=int(env[NODES_VARIABLE]),
            rank=int(env[NODE_RANK_VARIABLE]),
            master_addr=env[MASTER_ADDR_VARIABLE],
            master_port=int(env[MASTER_PORT_VARIABLE]),
        )


@dataclass(frozen=True)
class PodEnv:
    """The agent's view of its own pod."""

    run_id: str
    attempt: int
    launch_id: str
    store: str
    deadline: float
    """Unix seconds, by the store's clock, after which the pod must not live."""
    pod_id: str
    provider: str
    workspace: str
    place: Place | None = None
    """Which of several nodes this is."""
    seal_key: str = field(default="", repr=False)
    limit: float = math.inf
    """Seconds from its own start after which the pod must not live, whatever its clock says."""

    @property
    def nodes(self) -> int:
        """How many train together."""
        return self.place.nodes if self.place else 1

    def is_claimed_by(self, claim: Claim) -> bool:
        """Whether a claim is for this pod. A node does not know the id of its cluster: there the launch decides."""
        return claim.launch_id == self.launch_id and (self.place is not None or claim.pod_id == self.pod_id)

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> "PodEnv":
        """From the process's environment. Raises KeyError outside a pod."""
        return cls(
            run_id=env[RUN_VARIABLE],
            attempt=int(env[ATTEMPT_VARIABLE]),
            launch_id=env[LAUNCH_ID_VARIABLE],
            store=env[STORE_VARIABLE],
            deadline=float(env[DEADLINE_VARIABLE]),
            pod_id=env.get(POD_ID_VARIABLE) or env[kind_of(env[PROVIDER_VARIABLE]).pod_id_variable],
            provider=env[PROVIDER_VARIABLE],
            workspace=env[WORKSPACE_VARIABLE],
            place=Place.read(env),
            seal_key=env.get(SEAL_KEY_VARIABLE, ""),
            limit=float(env.get(LIMIT_VARIABLE) or math.inf),
        )


def client_part(
    run_id: str, attempt: int, store: str, deadline: float, max_seconds: float | None = None
) -> dict[str, str]:
    """What the client sets; the provider adds the pod's id, its launch id, its own name and the workspace."""
    return {
        RUN_VARIABLE: run_id,
        ATTEMPT_VARIABLE: str(attempt),
        STORE_VARIABLE: store,
        DEADLINE_VARIABLE: f"{deadline:.0f}",
        **({} if max_seconds is None else {LIMIT_VARIABLE: f"{max_seconds:.0f}"}),
    }
