"""Starting an attempt: intent, pod, claim, in this order, so that no crash between them leaves a paid orphan."""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.pods import (
    InvalidRequest,
    LaunchRequest,
    NoBalance,
    NoCapacity,
    OfferRefused,
    Pod,
    Provider,
    ProviderError,
    RateLimited,
    Unauthorised,
    kind_of,
)
from infra.store import Store, StoreError
from job.errors import UsageError
from job.record import compile_cache, store_id
from job.record.attempt import Attempt
from job.record.documents import Claim, Intent, Outcome
from job.record.run import Run
from job.record.store_clock import check_clock
from job.run import wandb_access
from job.run.account import account_if_told
from job.run.machine import command, in_words, with_mounts
from job.run.offers import Candidate, Choice
from job.run.pod_env import EXIT_ENDS_POD_VARIABLE, GPUS_VARIABLE, SEAL_KEY_VARIABLE, client_part
from job.run.store_access import Access
from job.spec.model import JobSpec

CLIENT = "client"
# After these answers certainly no pod was made; after any other, one may exist.
NO_POD = (NoCapacity, NoBalance, Unauthorised, RateLimited, InvalidRequest)
# How often, and how far apart, a pod is looked for whose launch gave no clear answer.
LOOKS = 3
LOOK_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Launch:
    """What will be written and sent. `--dry-run` prints it, `start` sends it: they cannot differ."""

    intent: Intent
    requests: tuple[LaunchRequest, ...]
    """One for each offer that fits, in their order; only what may be one offer's own fault leads to the next."""
    ahead: float = 0.0
    """Seconds by which this machine's clock is ahead of the store's, whose time intent and claim carry."""


def start_attempt(
    run: Run, provider: Provider, number: int, choice: Choice, access: Access, say: Callable[[str], None]
) -> Pod:
    """Start an attempt of a run whose record exists, on one of the machines of ``choice``; its pods get ``access``.

    ``say`` gets a line for each machine before it is asked for. Raises as `start` does, and UsageError where this
    machine's clock is wrong.
    """
    store_id.settle(run.store)
    ahead = check_clock(run.store)
    planned = plan(run.store, run.run_id, number, run.spec(), choice.candidates, access, ahead)
    return start(provider, run.attempt(number), planned, lambda candidate: say(asking(provider, candidate)))


def _paid_gpus(spec: JobSpec, candidate: Candidate) -> dict[str, str]:
    """What makes the trainer fail without its GPUs: they are paid for. At home a machine without one trains, too."""
    paid = kind_of(spec.provider).is_paid and candidate.machine.gpu_count
    return {GPUS_VARIABLE: str(candidate.machine.gpu_count)} if paid else {}


def plan(
    store: Store,
    run_id: str,
    attempt: int,
    spec: JobSpec,
    candidates: Sequence[Candidate],
    access: Access | None = None,
    ahead: float = 0.0,
) -> Launch:
    """The intent and the provider's requests, one a candidate, for an attempt that starts now.

    Its pods get ``access`` to the store. ``ahead`` is how far (seconds) this machine's clock is ahead of the store's.
    """
    now = time.time() - ahead
    deadline = now + spec.max_hours * 3600
    launch_id = store_mark(store) + secrets.token_hex(8)
    pod_name = f"codecjob-{run_id}-{attempt}"
    secret = {SEAL_KEY_VARIABLE: compile_cache.seal_key(run_id)}
    requests = tuple(
        LaunchRequest(
            name=pod_name,
            run_id=run_id,
            attempt=attempt,
            launch_id=f"{launch_id}-{number}",
            command=command(spec),
            env={
                **client_part(run_id, attempt, store.url, deadline, spec.max_hours * 3600),
                **({EXIT_ENDS_POD_VARIABLE: "1"} if kind_of(spec.provider).exits_end_pod else {}),
                **_paid_gpus(spec, candidate),
                **secret,
                **(access.env if access else {}),
                **wandb_access.pod_env(spec),
            },
            machine=with_mounts(candidate.machine, spec, store, Attempt(store, run_id, attempt).prefix),
            offer=candidate.offer,
        )
        for number, candidate in enumerate(candidates, start=1)
    )
    intent = Intent(launch_id=launch_id, pod_name=pod_name, deadline=deadline, max_hours=spec.max_hours, time=now)
    return Launch(intent, requests, ahead)


def store_mark(store: Store) -> str:
    """How the launch ids of a store's runs begin: whoever sees only a pod can tell where its record has to be."""
    return store_id.marks_of(store)[0]


def start(
    provider: Provider, attempt: Attempt, launch: Launch, trying: Callable[[Candidate], None] = lambda candidate: None
) -> Pod:
    """Writes the intent, creates the pod, writes the claim that the agent waits for.

    ``trying`` hears of each candidate before it is asked for.

    Raises:
        UsageError: another client is starting this attempt, or has closed it meanwhile.
        NoCapacity, NoBalance, Unauthorised, RateLimited, InvalidRequest: there is no pod; the attempt has its outcome.
        ProviderError: nobody knows whether there is a pod. Without a claim it ends itself; the attempt stays open.
        StoreError: the claim could not be written, and the pod was ended; the attempt stays open.
    """
    if not attempt.write_once("intent.json", launch.intent):
        raise UsageError(
            f"attempt {attempt.number} of {attempt.run_id} has been started by somebody else: "
            f"`codecjob status {attempt.run_id}` shows it"
        )
    compile_cache.remember_secret()
    for folder in launch.requests[0].machine.mounts if launch.requests else ():
        Path(folder).mkdir(parents=True, exist_ok=True)  # what is not there cannot be mounted
    try:
        request, pod = _first_to_be_had(provider, attempt, launch.requests, trying)
    except NO_POD as error:
        fail(attempt, f"no pod could be had: {error}")
        raise
    claim = Claim(
        launch_id=request.launch_id,
        pod_id=pod.id,
        price_per_hour=_price(pod, request),
        gpu=in_words(request.machine, request.offer.gpu) if request.offer else "",
        account=account_if_told(provider),
        time=time.time() - launch.ahead,
    )
    try:
        _write_claim(attempt, claim)
    except BaseException:  # Ctrl-C as well
        # Without a claim it ends itself, but only if it ever begins to run; and nobody will look for it.
        with suppress(ProviderError):
            provider.terminate(pod.id)
        raise
    _note(attempt, "launched", pod=pod.id, provider=provider.name, price_per_hour=claim.price_per_hour)
    return pod


def _price(pod: Pod, request: LaunchRequest) -> float:
    """What the budget is reckoned from: a provider may list a pod that has only just been made without a price."""
    return pod.price_per_hour or (request.offer.total_price(request.machine) if request.offer else 0.0)


def _note(attempt: Attempt, what: str, **details: object) -> None:
    """For the audit trail, which is not worth a pod that nobody looks for or claims."""
    with suppress(StoreError):
        attempt.note(what, CLIENT, **details)


def _write_claim(attempt: Attempt, claim: Claim) -> None:
    if not attempt.write_once("claim.json", claim) and (other := attempt.claim()) and other.pod_id != claim.pod_id:
        raise UsageError(
            f"attempt {attempt.number} of {attempt.run_id} has been claimed for pod {other.pod_id} meanwhile: "
            f"`codecjob status {attempt.run_id}` shows it"
        )


def asking(provider: Provider, candidate: Candidate) -> str:
    """What a launch waits for, in words."""
    price = f" at {candidate.price_per_hour:.2f} USD/h" if candidate.price_per_hour else ""
    return f"asking {provider.name} for {in_words(candidate.machine, candidate.offer.gpu)}{price}"


def fail(attempt: Attempt, reason: str) -> None:
    """Ends an attempt that has no pod."""
    attempt.write_once("outcome.json", Outcome.of("no pod", reason, CLIENT))
    attempt.note("failed", CLIENT, reason=reason)


def _first_to_be_had(
    provider: Provider, attempt: Attempt, requests: Sequence[LaunchRequest], trying: Callable[[Candidate], None]
) -> tuple[LaunchRequest, Pod]:
    """Tries one request after another. The next is tried only where the last has certainly made no pod."""
    refused: list[ProviderError] = []
    for request in requests:
        if request.offer is not None:
            trying(Candidate(request.offer, request.machine))
        try:
            return request, _create_or_adopt(provider, attempt, request)
        except (NoCapacity, OfferRefused) as error:
            refused.append(error)
            gpu = request.offer.gpu if request.offer else None
            _note(attempt, "refused", launch_id=request.launch_id, gpu=gpu, answer=str(error))
    if len(refused) == 1:
        raise refused[0]
    if all(isinstance(error, OfferRefused) for error in refused):
        raise InvalidRequest(f"all {len(refused)} offers were refused: {refused[-1]}")
    raise NoCapacity(f"none of {len(refused)} offers had room: {refused[-1]}")


def _create_or_adopt(provider: Provider, attempt: Attempt, request: LaunchRequest) -> Pod:
    try:
        return provider.launch(request)
    except NO_POD:
        raise
    except KeyboardInterrupt:
        if pod := _look_for(provider, request):
            with suppress(ProviderError):
                provider.terminate(pod.id)
        raise
    except ProviderError as error:
        # No clear answer: the pod may exist. Creating again blindly is how two are paid for.
        _note(attempt, "no clear answer", launch_id=request.launch_id, answer=str(error))
        pod = _look_for(provider, request)
        if pod is None:
            raise
        _note(attempt, "adopted", launch_id=request.launch_id, pod=pod.id)
        return pod


def _look_for(provider: Provider, request: LaunchRequest) -> Pod | None:
    """The pod of a launch, if the provider lists it at one of several looks."""
    for look in range(LOOKS):
        try:
            mine = [pod for pod in provider.find(request.run_id) if pod.launch_id == request.launch_id]
        except ProviderError:
            mine = []  # the launch's own error says more
        if mine:
            return mine[0]
        if look < LOOKS - 1:
            time.sleep(LOOK_PAUSE_SECONDS)
    return None
