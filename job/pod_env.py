"""What a client tells the pod through its environment: enough to find the run's record, and no more."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from infra.pods import (
    ATTEMPT_VARIABLE,
    LAUNCH_ID_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    RUN_VARIABLE,
    WORKSPACE_VARIABLE,
)

STORE_VARIABLE = "CODECJOB_STORE"
DEADLINE_VARIABLE = "CODECJOB_DEADLINE"
# Set by RunPod in every pod: what a client cannot know before the pod is there.
RUNPOD_POD_ID_VARIABLE = "RUNPOD_POD_ID"


@dataclass(frozen=True)
class PodEnv:
    """The agent's view of its own pod."""

    run_id: str
    attempt: int
    launch_id: str
    store: str
    deadline: float
    """Unix seconds after which the pod must not live."""
    pod_id: str
    provider: str
    workspace: str

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> "PodEnv":
        """From the process's environment. Raises KeyError outside a pod."""
        return cls(
            run_id=env[RUN_VARIABLE],
            attempt=int(env[ATTEMPT_VARIABLE]),
            launch_id=env[LAUNCH_ID_VARIABLE],
            store=env[STORE_VARIABLE],
            deadline=float(env[DEADLINE_VARIABLE]),
            pod_id=env.get(POD_ID_VARIABLE) or env[RUNPOD_POD_ID_VARIABLE],
            provider=env[PROVIDER_VARIABLE],
            workspace=env[WORKSPACE_VARIABLE],
        )


def client_part(run_id: str, attempt: int, store: str, deadline: float) -> dict[str, str]:
    """What the client sets; the provider adds the pod's id, its launch id, its own name and the workspace."""
    return {
        RUN_VARIABLE: run_id,
        ATTEMPT_VARIABLE: str(attempt),
        STORE_VARIABLE: store,
        DEADLINE_VARIABLE: f"{deadline:.0f}",
    }
