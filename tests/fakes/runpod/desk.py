"""RunPod's provider before the fake, over real HTTP."""

from dataclasses import dataclass, field

from fakes.runpod.account import Account
from fakes.runpod.faults import Fault
from fakes.runpod.server import Server
from infra.pods import LaunchRequest, Machine, Offer
from infra.pods.runpod import RunPodProvider
from infra.pods.runpod_client import Client

OFFER = Offer("runpod", "NVIDIA GeForce RTX 4090", 0.69, True, "secure", ("US-KS-2", "EU-RO-1"), 24)


@dataclass
class Desk:
    """A client's side, with what the provider has slept for instead of sleeping."""

    server: Server
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account: Account = self.server.api.account
        self.provider = RunPodProvider(Client(self.server.url, self.account.key, self.slept.append))

    def request(
        self, run_id: str = "a", launch_id: str = "f00d", offer: Offer | None = OFFER, **machine: object
    ) -> LaunchRequest:
        """For a pod on a kind of GPU that is free."""
        wanted = Machine(image="ghcr.io/me/codecjob:1", **machine)  # type: ignore[arg-type]
        return LaunchRequest(
            f"codecjob-{run_id}-1", run_id, 1, launch_id, ("python",), {"TOKEN": "s3cr3t-t0ken"}, wanted, offer
        )

    def fails(self, method: str, path: str, **how: object) -> None:
        """Tells the fake what to do wrong."""
        self.account.faults.add(Fault(method, path, **how))  # type: ignore[arg-type]

    def creates(self) -> int:
        """How often a pod or a cluster was asked for, in the form that the API takes."""
        asked = [call for call in self.server.api.calls if call in (("POST", "/pods"), ("POST", "/clusters"))]
        return len(asked)
