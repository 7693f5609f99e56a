import json

import pytest

from infra.pods import (
    InvalidRequest,
    NoBalance,
    NoCapacity,
    OfferRefused,
    ProviderError,
    RateLimited,
    Transient,
    Unauthorised,
)
from infra.pods.runpod_errors import DETAIL_CHARACTERS, Answer, NoSuchThing, error_of, launch_error


def problem(status: int, detail: str, *errors: str) -> Answer:
    body = {"title": "Refused", "status": status, "detail": detail, "errors": list(errors)}
    return Answer(status, json.dumps(body).encode())


# What a launch is told, and what that means: this is the table that money depends on.
LAUNCH = [
    (400, "There are no longer any instances available with the requested specifications.", NoCapacity),
    (400, "There are no instances currently available", NoCapacity),
    (400, "No instances available", NoCapacity),
    (400, "Could not find any pods with required specifications", NoCapacity),
    (400, "This machine does not have the resources to deploy your pod", NoCapacity),
    (400, "There are not enough free GPUs on the host machine to start this pod.", NoCapacity),
    (400, "no GPU capacity in EU-RO-1", NoCapacity),
    (400, "mounts.persistent and mounts.network are mutually exclusive", OfferRefused),
    (401, "missing bearer token", Unauthorised),
    (402, "insufficient balance", NoBalance),
    (403, "access denied", NoCapacity),
    (404, "network volume not found", InvalidRequest),
    (409, "conflict", InvalidRequest),
    (413, "body too large", InvalidRequest),
    (422, "Request validation failed.", InvalidRequest),
    (429, "rate limit exceeded for the minute window", RateLimited),
    (500, "internal error", Transient),
    (502, "bad gateway", Transient),
    (408, "timeout", Transient),
    (410, "gone", ProviderError),
    (302, "moved", ProviderError),
]


@pytest.mark.parametrize(("status", "detail", "kind"), LAUNCH)
def test_a_refused_launch_is_an_error_of_the_right_kind_on_one_line(
    status: int, detail: str, kind: type[ProviderError]
) -> None:
    error = launch_error(problem(status, detail), "cannot start codecjob-a-1")
    assert type(error) is kind
    assert str(error).startswith("cannot start codecjob-a-1: ")
    assert str(status) in str(error)
    assert detail in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_after_an_unclear_answer_the_user_hears_that_a_pod_may_exist(status: int) -> None:
    assert "may exist" in str(launch_error(Answer(status), "cannot start a"))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429])
def test_after_a_clear_answer_nothing_is_said_of_a_pod(status: int) -> None:
    assert "may exist" not in str(launch_error(Answer(status), "cannot start a"))


def test_outside_a_launch_a_refusal_is_one_of_the_key() -> None:
    assert type(error_of(problem(403, "access denied"), "cannot list pods")) is Unauthorised


def test_what_is_not_there_is_told_from_any_other_failure() -> None:
    assert type(error_of(Answer(404), "cannot list clusters")) is NoSuchThing


def test_every_fault_that_the_vendor_lists_is_shown() -> None:
    error = error_of(problem(422, "Request validation failed.", "$.gpu: id is missing", "$: bogus"), "cannot start a")
    assert "$.gpu: id is missing; $: bogus" in str(error)


def test_what_is_secret_is_masked_though_the_vendor_repeats_it() -> None:
    error = error_of(problem(422, "env.TOKEN: 'hunter2hunter2' is bad"), "cannot start a", ("hunter2hunter2",))
    assert "hunter2" not in str(error)
    assert "env.TOKEN" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b"[]", b'{"detail": null}', b'{"errors": "x"}', b"\xff"])
def test_a_body_that_is_no_problem_document_hurts_nobody(body: bytes) -> None:
    assert str(error_of(Answer(500, body), "cannot list pods")).startswith("cannot list pods: RunPod failed (500")


def test_a_long_or_broken_text_stays_one_short_line() -> None:
    error = error_of(problem(400, "line\n" * 1000), "cannot start a")
    assert len(str(error)) < DETAIL_CHARACTERS + 150
    assert "\n" not in str(error)


@pytest.mark.parametrize(("header", "seconds"), [("12", 12.0), ("0", 0.0), ("-1", None), ("soon", None), ("inf", None)])
def test_retry_after_is_read_where_it_is_a_number(header: str, seconds: float | None) -> None:
    assert Answer(429, headers={"Retry-After": header}).retry_after() == seconds


EDGE = b"<html><head><title>Access denied</title></head>error code: 1010</html>"


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 409, 410, 418])
def test_a_page_of_something_before_runpod_is_no_word_of_runpods(status: int) -> None:
    """Cloudflare stands before the API: its 403 is neither a missing permission nor "none free"."""
    said = f"something before RunPod (Cloudflare, a proxy) has answered in its place ({status}: error code: 1010)"
    for error in (
        error_of(Answer(status, EDGE), "cannot list pods"),
        launch_error(Answer(status, EDGE), "cannot start a"),
    ):
        assert type(error) is Transient
        assert said in str(error)
        assert "may exist" not in str(error), "RunPod has not seen the request"
        assert "\n" not in str(error)


@pytest.mark.parametrize("status", [500, 502, 520, 524])
def test_a_page_of_a_failure_leaves_open_whether_runpod_has_acted(status: int) -> None:
    assert "a pod may exist" in str(launch_error(Answer(status, EDGE), "cannot start a"))


def test_a_locked_pod_says_how_it_is_unlocked() -> None:
    error = error_of(problem(400, "Pod is locked"), "cannot end p1 on RunPod")
    assert type(error) is ProviderError
    assert 'unlock it in the console, or send PATCH {"locked": false}, and end it again' in str(error)
