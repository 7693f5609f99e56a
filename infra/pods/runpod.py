"""Pods that are rented from RunPod, through its REST API v2. docs/runpod.md says what of it has been proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from infra.pods.base import (
    ANY_MACHINE,
    CannotTell,
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoCapacity,
    Offer,
    Pod,
    ProviderError,
    Transient,
    Unauthorised,
)
from infra.pods.runpod_body import PROVIDER, cluster_body, pod_body, without_cmd
from infra.pods.runpod_catalog import read_offers
from infra.pods.runpod_client import CREATE_SECONDS, Client
from infra.pods.runpod_end import terminate
from infra.pods.runpod_errors import Answer, NoSuchThing, launch_error
from infra.pods.runpod_key import URL, URL_VARIABLE
from infra.pods.runpod_logs import read_logs
from infra.pods.runpod_pods import CLUSTER, Stamp, new_cluster, read_pod, read_pods

BILL_MONTHS = 12
# Less than this is no difference of clocks: a Date header has whole seconds, and is some time on its way.
DATE_SECONDS = 5.0


class RunPodProvider:
    """Pods of one account, or of one pod from inside it. See `infra.pods.base.Provider` for the promises.

    A request for more than one node starts an Instant Cluster, listed and ended as one pod, `cluster:<id>`.
    """

    name = PROVIDER
    settle_seconds = 10.0

    def __init__(self, client: Client | None = None) -> None:
        self.client = client or Client()
        self._takes_cmd = True
        self._account: str | None = None

    def account(self) -> str | None:
        """See `TellsAccount.account`: the id of the account; None for a key that may not ask for it."""
        if self._account is None:
            try:
                self._account = str(self.client.get("/account", "cannot ask RunPod whose key this is").get("id") or "")
            except (Unauthorised, NoSuchThing):
                self._account = ""
        return self._account or None

    def offers(self, machine: Machine = ANY_MACHINE) -> list[Offer]:
        """See `Provider.offers`: prices are for one GPU, without the disk."""
        return read_offers(self.client, machine)

    def preview(self, request: LaunchRequest) -> dict[str, Any]:
        """See `Provider.preview`: the call that creates the pod or the cluster."""
        path, body = self._create_call(request, request.offer or self._cheapest(request))
        return {"method": "POST", "url": f"{self.client.url}{path}", "body": body}

    def launch(self, request: LaunchRequest) -> Pod:
        """See `Provider.launch`. Never sends a second create where the first may have worked."""
        offer = request.offer or self._cheapest(request)
        path, body = self._create_call(request, offer)
        secrets = (self.client.key, *(value for value in request.env.values() if len(value) >= 8))
        if self.client.key in request.env.values():
            raise InvalidRequest(f"cannot start {request.name}: its environment holds the account's key; leave it out")
        attempt = f"cannot start {request.name} on {offer.gpu}"
        answer = self._create(path, body, attempt)
        if not answer.ok:
            raise launch_error(answer, attempt, secrets)
        return _new_pod(answer, request, offer, attempt)

    def find(self, run_id: str | None) -> list[Pod]:
        """See `Provider.find`. A pod is known by its environment, else by its name."""
        pods = list(self.client.pages("/pods", "pods", "cannot list RunPod's pods", includeClusterPods="true"))
        found = read_pods(pods, self._clusters())
        ahead = self.client.clock_ahead or 0.0
        if abs(ahead) > DATE_SECONDS:
            found = [replace(pod, created=pod.created and pod.created + ahead) for pod in found]
        return [pod for pod in found if run_id in (None, pod.run_id)]

    def terminate(self, pod_id: str) -> None:
        """See `Provider.terminate`."""
        terminate(self.client, pod_id)

    def logs(self, pod_id: str) -> Iterator[bytes]:
        """See `Provider.logs`: the newest 5,000 lines; nothing of a cluster, whose members have each their own."""
        if pod_id.startswith(CLUSTER):
            return iter(())
        return read_logs(self.client, pod_id)

    def boot_log(self, pod_id: str) -> Iterator[bytes]:
        """See `TellsBoot.boot_log`: the log of RunPod's own doings; nothing of a cluster."""
        return iter(()) if pod_id.startswith(CLUSTER) else read_logs(self.client, pod_id, "system")

    def billed(self, pod_id: str) -> float | None:
        """See `Bills.billed`: compute and disk of the last twelve months."""
        kind, name = ("clusters", "clusterId") if pod_id.startswith(CLUSTER) else ("pods", "podId")
        query = {name: pod_id.removeprefix(CLUSTER), "bucketSize": "month", "lastN": BILL_MONTHS}
        document = self.client.get(f"/billing/{kind}", f"cannot read the bill of {pod_id}", **query)
        try:
            return float(document["metadata"]["totals"]["totalAmount"]) if document["records"] else None
        except (KeyError, TypeError, ValueError) as error:
            raise Transient(f"cannot read the bill of {pod_id}: RunPod's answer is not as it should be") from error

    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock is ahead of RunPod's, within a second; asks for it with the key."""
        self.client.get("/pods", "cannot reach RunPod")
        return self.client.clock_ahead

    def _create_call(self, request: LaunchRequest, offer: Offer) -> tuple[str, dict[str, Any]]:
        """Path and body of the POST."""
        make_body, path = (pod_body, "/pods") if request.machine.nodes == 1 else (cluster_body, "/clusters")
        return path, make_body(request, offer, self._extra_env())

    def _cheapest(self, request: LaunchRequest) -> Offer:
        free = [offer for offer in self.offers(request.machine) if offer.available]
        if not free:
            raise NoCapacity(f"cannot start {request.name}: RunPod has no GPU free that fits; try again later")
        return free[0]

    def _create(self, path: str, body: dict[str, Any], attempt: str) -> Answer:
        """The answer to a create that was sent once: a refused field is the only reason to send it again."""
        if not self._takes_cmd:
            body = without_cmd(body)
        answer = self.client.patiently("POST", path, attempt, body=body, seconds=CREATE_SECONDS)
        if answer.status == 422 and "cmd" in body and "cmd" in answer.detail():
            self._takes_cmd = False
            return self.client.patiently("POST", path, attempt, body=without_cmd(body), seconds=CREATE_SECONDS)
        return answer

    def _clusters(self) -> list[dict[str, Any]]:
        """The account's clusters: in its first seconds one has no members that `/pods` could list."""
        try:
            return list(self.client.pages("/clusters", "clusters", "cannot list RunPod's clusters"))
        except (Unauthorised, NoSuchThing):
            # Who has no access to clusters has made none, and the members of anybody's are among the pods.
            return []

    def _extra_env(self) -> dict[str, str]:
        return {} if self.client.url == URL else {URL_VARIABLE: self.client.url}


def _new_pod(answer: Answer, request: LaunchRequest, offer: Offer, attempt: str) -> Pod:
    document = answer.document()
    stamp = Stamp(request.run_id, request.attempt, request.launch_id)
    try:
        if not isinstance(document, dict):
            raise CannotTell("no JSON")
        pod = read_pod(document, stamp) if request.machine.nodes == 1 else new_cluster(document, stamp)
    except CannotTell as error:
        raise Transient(f"{attempt}: RunPod's answer cannot be read; a pod may exist all the same") from error
    if pod is None:
        raise ProviderError(f"{attempt}: RunPod has ended it at once; look at it in the console")
    # While it is provisioned RunPod may give no price, and a run's budget is reckoned from this one.
    price = pod.price_per_hour or offer.total_price(request.machine)
    return replace(pod, price_per_hour=price)
