"""Ending a RunPod pod for good, by whichever of the API's ways it allows."""

from __future__ import annotations

from infra.pods.base import InvalidRequest, ProviderError, Transient
from infra.pods.runpod_client import Client
from infra.pods.runpod_errors import Answer, error_of
from infra.pods.runpod_pods import CLUSTER

GONE, REFUSED, UNAUTHORISED, TOO_MANY = 404, 403, 401, 429
REFUSED_PAUSES = (1.0, 2.0, 4.0)
"""A pod's own key is sometimes refused at first."""


def terminate(client: Client, pod_id: str) -> None:
    """DELETE, then the action `terminate`, then `stop`: it leaves the pod's disk, which is said in an error.

    Where RunPod only asks for fewer calls, nothing is stopped: the caller will ask again, and a pod that had stopped
    itself could not.
    """
    attempt = f"cannot end {pod_id} on RunPod"
    kind, own_id = ("clusters", pod_id.removeprefix(CLUSTER)) if pod_id.startswith(CLUSTER) else ("pods", pod_id)
    if not own_id or not all(sign.isalnum() or sign in "-_" for sign in own_id):
        raise InvalidRequest(f"{pod_id!r} is no id of a RunPod pod; they look like 7h9k2m4n6p")
    deleted = _delete(client, f"/{kind}/{own_id}", attempt)
    if _is_done(deleted):
        return
    failure = (
        error_of(deleted, attempt, (client.key,)) if deleted else Transient(f"{attempt}: no answer; try again later")
    )
    if kind == "clusters" or (deleted is not None and _is_final(deleted)):
        raise failure
    ended = _act(client, own_id, "terminate", attempt)
    if _is_done(ended):
        return
    if any(answer is not None and answer.status == TOO_MANY for answer in (deleted, ended)):
        raise failure
    stopped = _act(client, own_id, "stop", attempt)
    if stopped is not None and stopped.is_runpods and stopped.status == GONE:
        return
    if stopped is not None and stopped.is_runpods and stopped.ok:
        raise ProviderError(f"{failure}; it is stopped now and its disk is still billed: end it in the console")
    raise failure


def _delete(client: Client, path: str, attempt: str) -> Answer | None:
    """The last answer; None where there is none."""
    for pause in (*REFUSED_PAUSES, None):
        try:
            answer = client.repeat("DELETE", path, attempt)
        except Transient:
            return None
        if answer.status != REFUSED or not answer.is_runpods or pause is None:
            break
        client.sleep(pause)
    return answer


def _act(client: Client, pod_id: str, action: str, attempt: str) -> Answer | None:
    """None where there is no answer at all."""
    try:
        return client.repeat("POST", f"/pods/{pod_id}/action", attempt, body={"action": action})
    except Transient:
        return None


def _is_final(answer: Answer) -> bool:
    """Whether no other way to end the pod would get a better answer."""
    return answer.status == UNAUTHORISED or answer.is_locked or not answer.is_runpods


def _is_done(answer: Answer | None) -> bool:
    """A page that something before RunPod sends proves nothing, whatever its status."""
    return answer is not None and answer.is_runpods and (answer.ok or answer.status == GONE)
