"""The fake's calls: who may make them, what the vendor's document says of them, and what they answer."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.runpod.account import Account, Refused
from fakes.runpod.contract import Contract
from fakes.runpod.faults import Fault
from fakes.runpod.pods import ACTIONS, FakeCluster, FakePod, pod_document, rfc3339

MOST_A_PAGE = 1000
ACCOUNT = ""
"""Whose key it is: this, or the id of a pod."""
MEMBER = "pod belongs to a cluster and cannot be terminated via the pod endpoints"


@dataclass
class Call:
    """A request, with what its path and key say."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    id: str = ""
    caller: str = ACCOUNT


@dataclass
class Reply:
    """An answer; `dropped` is none at all, `stream` a log."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    dropped: Fault | None = None
    stream: FakePod | None = None
    page: bytes | None = None
    """A page instead of a document."""


class Api:
    """Every call of an account, for a server or for a transport without one."""

    def __init__(self, account: Account, contract: Contract | None = None) -> None:
        self.account = account
        self.contract = contract
        self.calls: list[tuple[str, str]] = []
        """Method and path of each, in order."""
        self.queries: list[dict[str, str]] = []
        """The query of each."""
        self.violations: list[str] = []
        """Where the fake's own answers are not the vendor's."""

    def answer(self, call: Call) -> Reply:
        """What the API says to a call; what it does is done."""
        with self.account.lock:
            path = call.path.removeprefix("/v2")
            self.calls.append((call.method, path))
            self.queries.append(call.query)
            try:
                call.caller = self._caller(call)
                quota = self.account.take_quota()
                if quota is not None and quota[0] < 0:
                    return _wrong(Fault("", "", status=429, detail="rate limit exceeded", retry_after=quota[1]))
                fault = self.account.faults.take(call.method, path, call.caller != ACCOUNT)
                if fault and not fault.after:
                    return _wrong(fault)
                reply = self._do(call)
                if quota is not None:
                    reply.headers["RateLimit"] = f'"minute";r={quota[0]};t={quota[1]}'
                return _wrong(fault) if fault else reply
            except Refused as refused:
                return _problem(refused)

    def _do(self, call: Call) -> Reply:
        for method, template, handler in ROUTES:
            match = re.fullmatch(template.replace("{id}", "(?P<id>[^/]+)"), call.path)
            if not match or method != call.method:
                continue
            call.id = match.groupdict().get("id") or ""
            if self.contract is None:
                return handler(self.account, call)
            if errors := self.contract.request_errors(method, template, call.query, call.body):
                raise Refused(422, "Request validation failed.", tuple(errors))
            try:
                reply = handler(self.account, call)
            except Refused as refused:
                self._check(method, template, _problem(refused))
                raise
            self._check(method, template, reply)
            return reply
        raise Refused(404, "not found")

    def _check(self, method: str, template: str, reply: Reply) -> None:
        assert self.contract is not None
        if reply.stream is None:
            errors = self.contract.answer_errors(method, template, reply.status, reply.document)
            self.violations += [f"{method} {template} {reply.status}: {error}" for error in errors]

    def _caller(self, call: Call) -> str:
        key = call.headers.get("Authorization", "").removeprefix("Bearer ")
        if key == self.account.key:
            return ACCOUNT
        pod = next((pod for pod in self.account.pods.values() if pod.key == key and pod.terminated is None), None)
        if pod is None:
            raise Refused(401, "missing or invalid bearer token")
        own = call.path in (f"/v2/pods/{pod.id}", f"/v2/pods/{pod.id}/action")
        if not own or call.method == "PATCH":
            raise Refused(403, "access denied")
        return pod.id


def _list_pods(account: Account, call: Call) -> Reply:
    with_members = call.query.get("includeClusterPods") == "true"
    pods = [pod for pod in account.living() if with_members or pod.cluster is None]
    pods.sort(key=lambda pod: pod.created, reverse=True)
    size = account.page_size or MOST_A_PAGE
    first = int(call.query.get("cursor", "0"))
    more = first + size < len(pods)
    pagination = {"hasNextPage": more, "nextCursor": str(first + size) if more else None}
    return Reply(
        document={"pods": [_show(account, pod) for pod in pods[first : first + size]], "pagination": pagination}
    )


def _create_pod(account: Account, call: Call) -> Reply:
    return Reply(201, _show(account, account.create_pod(call.body)))


def _get_pod(account: Account, call: Call) -> Reply:
    return Reply(document=_show(account, _pod(account, call)))


def _delete_pod(account: Account, call: Call) -> Reply:
    pod = _pod(account, call)
    if pod.cluster is not None:
        raise Refused(409, MEMBER)
    account.check_unlocked(pod)
    account.terminate(pod)
    return Reply(204)


def _act(account: Account, call: Call) -> Reply:
    pod, action = _pod(account, call), call.body["action"]
    if pod.cluster is not None:
        raise Refused(409, MEMBER)
    if action not in ACTIONS[account.status(pod)]:
        raise Refused(409, f"{action} is not valid for a pod that is {account.status(pod)}")
    account.act(pod, action)
    return Reply(204) if action == "terminate" else Reply(document=_show(account, pod))


def _logs(account: Account, call: Call) -> Reply:
    return Reply(stream=_pod(account, call))


def _list_clusters(account: Account, call: Call) -> Reply:
    living = [cluster for cluster in account.clusters.values() if not cluster.deleted]
    return Reply(document={"clusters": [cluster.document(account.runner, account.now()) for cluster in living]})


def _create_cluster(account: Account, call: Call) -> Reply:
    return Reply(201, account.create_cluster(call.body).document(account.runner, account.now()))


def _get_cluster(account: Account, call: Call) -> Reply:
    return Reply(document=_cluster(account, call).document(account.runner, account.now()))


def _cluster_pods(account: Account, call: Call) -> Reply:
    return Reply(document={"pods": [_show(account, pod) for pod in _cluster(account, call).members]})


def _delete_cluster(account: Account, call: Call) -> Reply:
    account.delete_cluster(_cluster(account, call))
    return Reply(204)


def _gpus(account: Account, call: Call) -> Reply:
    with_stock = call.query.get("include") == "AVAILABILITY"
    if with_stock != ("product" in call.query):
        raise Refused(400, "product is required with include=AVAILABILITY, and valid only with it")
    cloud, count = call.query.get("cloud", "SECURE"), int(call.query.get("count", "1"))
    return Reply(document={"gpus": [gpu.document(cloud, count, with_stock) for gpu in account.gpus]})


def _volume(account: Account, call: Call) -> Reply:
    if call.id not in account.volumes:
        raise Refused(404, "network volume not found")
    place = account.volumes[call.id]
    return Reply(document={"id": call.id, "name": "kept", "size": 50, "dataCenter": place, "type": "STANDARD"})


def _bill(account: Account, call: Call) -> Reply:
    pods = [pod for pod in account.pods.values() if call.query.get("podId") in (None, pod.id) and not pod.cluster]
    records = [{"podId": pod.id, **_window(account, pod.created), **_usd(account, [pod])} for pod in pods]
    query = {**_window(account), "bucketSize": call.query.get("bucketSize", "day"), "podId": call.query.get("podId")}
    counts = {"recordCount": len(records), "uniquePodCount": len(records)}
    return Reply(document={"records": records, "metadata": {"query": query, "totals": _usd(account, pods), **counts}})


def _cluster_bill(account: Account, call: Call) -> Reply:
    wanted = call.query.get("clusterId")
    clusters = [cluster for cluster in account.clusters.values() if wanted in (None, cluster.id)]
    records = [
        {"clusterId": cluster.id, **_window(account, cluster.created), **_usd(account, cluster.members, cluster=True)}
        for cluster in clusters
    ]
    query = {**_window(account), "bucketSize": call.query.get("bucketSize", "day"), "clusterId": wanted}
    totals = _usd(account, [pod for cluster in clusters for pod in cluster.members], cluster=True)
    counts = {"recordCount": len(records), "uniqueClusterCount": len(records)}
    return Reply(document={"records": records, "metadata": {"query": query, "totals": totals, **counts}})


Handler = Callable[[Account, Call], Reply]
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/v2/pods", _list_pods),
    ("POST", "/v2/pods", _create_pod),
    ("GET", "/v2/pods/{id}", _get_pod),
    ("DELETE", "/v2/pods/{id}", _delete_pod),
    ("POST", "/v2/pods/{id}/action", _act),
    ("GET", "/v2/pods/{id}/logs", _logs),
    ("GET", "/v2/clusters", _list_clusters),
    ("POST", "/v2/clusters", _create_cluster),
    ("GET", "/v2/clusters/{id}", _get_cluster),
    ("GET", "/v2/clusters/{id}/pods", _cluster_pods),
    ("DELETE", "/v2/clusters/{id}", _delete_cluster),
    ("GET", "/v2/catalog/gpus", _gpus),
    ("GET", "/v2/network-volumes/{id}", _volume),
    ("GET", "/v2/billing/pods", _bill),
    ("GET", "/v2/billing/clusters", _cluster_bill),
]


def _pod(account: Account, call: Call) -> FakePod:
    pod = account.pods.get(call.id)
    if pod is None or pod.terminated is not None:
        raise Refused(404, "pod not found")
    return pod


def _cluster(account: Account, call: Call) -> FakeCluster:
    cluster = account.clusters.get(call.id)
    if cluster is None or cluster.deleted:
        raise Refused(404, "cluster not found")
    return cluster


def _show(account: Account, pod: FakePod) -> dict[str, Any]:
    return pod_document(pod, account.runner, account.now())


def _window(account: Account, start: float | None = None) -> dict[str, str]:
    return {"startTime": rfc3339(account.now() - 86400 if start is None else start), "endTime": rfc3339(account.now())}


def _usd(account: Account, pods: list[FakePod], cluster: bool = False) -> dict[str, float]:
    spent = [pod.usd(account.now()) for pod in pods]
    gpu, disk = sum(part[0] for part in spent), sum(part[1] for part in spent)
    return {"totalAmount": gpu + disk, "gpuAmount": gpu, "diskAmount": disk} | (
        {"networkingAmount": 0.0} if cluster else {"cpuAmount": 0.0}
    )


def _problem(refused: Refused) -> Reply:
    document: dict[str, Any] = {"title": "Refused", "status": refused.status, "detail": refused.detail}
    if refused.errors:
        document["errors"] = list(refused.errors)
    return Reply(refused.status, document)


def _wrong(fault: Fault) -> Reply:
    if fault.status is None:
        return Reply(dropped=fault)
    if fault.page is not None:
        return Reply(fault.status, page=fault.page.encode())
    reply = _problem(Refused(fault.status, fault.detail))
    if fault.retry_after is not None:
        reply.headers["Retry-After"] = str(fault.retry_after)
    return reply


Line = tuple[float, str]
"""Time and text of a line of a log."""


def event_id(line: Line, source: str) -> str:
    """Its time: nanoseconds for a container, whole seconds for the vendor's own log, so that lines share it."""
    seconds = rfc3339(int(line[0])).removesuffix("Z")
    return f"{seconds}Z" if source == "system" else f"{seconds}.{round(line[0] % 1 * 1e9):09d}Z"


def event(line: Line, source: str = "container") -> bytes:
    """One line of a log as an event."""
    stamp = event_id(line, source)
    data = json.dumps({"ts": stamp, "source": source, "line": line[1]})
    return f"id: {stamp}\ndata: {data}\n\n".encode()


def backlog(lines: list[Line], last_id: str, tail: int, source: str = "container") -> list[Line]:
    """What a stream begins with: behind the moment of the last id, which is not given again."""
    if last_id:
        return [line for line in lines if event_id(line, source) > last_id]
    return lines[-tail:] if tail else []
