"""A pod's output over server-sent events: a stream without an end, which breaks now and then."""

import time

import pytest

from fakes.runpod.desk import Desk
from infra.pods import Transient, Unauthorised, runpod_logs


def printing(desk: Desk, *lines: str, seconds: float = 1000.0, step: float = 0.0) -> str:
    pod = desk.provider.launch(desk.request())
    desk.account.pods[pod.id].printed = [(seconds + number * step, line) for number, line in enumerate(lines)]
    return pod.id


def read(desk: Desk, pod_id: str) -> list[str]:
    return b"".join(desk.provider.logs(pod_id)).decode().splitlines()


def test_what_a_pod_has_printed_is_read_and_the_read_ends(runpod_desk: Desk) -> None:
    pod_id = printing(runpod_desk, "one", "", "తెలుగు: x", "  four")
    before = time.monotonic()
    assert read(runpod_desk, pod_id) == ["one", "", "తెలుగు: x", "  four"]
    assert time.monotonic() - before < 5


def test_a_silent_pod_has_no_lines_though_the_stream_is_kept_alive(runpod_desk: Desk) -> None:
    assert read(runpod_desk, printing(runpod_desk)) == []


def test_a_stream_that_only_says_that_it_lives_is_left(runpod_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes.runpod.server.ALIVE_SECONDS", 0.05)
    before = time.monotonic()
    assert read(runpod_desk, printing(runpod_desk, "one")) == ["one"]
    assert time.monotonic() - before < 5


def test_a_pod_that_never_stops_talking_is_left_in_time(runpod_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod_logs, "READ_SECONDS", 1.0)
    pod_id = printing(runpod_desk, "0")
    printed = runpod_desk.account.pods[pod_id].printed
    monkeypatch.setattr(
        runpod_desk.account.runner,
        "lines",
        lambda pod: printed.append((2000.0, "more")) or list(printed),
        raising=False,
    )
    before = time.monotonic()
    assert len(read(runpod_desk, pod_id)) > 2
    assert time.monotonic() - before < 10


# Lines of one moment share their id, and a stream that is resumed at an id goes on behind that moment.
@pytest.mark.parametrize("step", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("cuts", [[3], [1, 1, 1], [2, 4, 3], [0, 5]])
def test_a_stream_that_breaks_is_resumed_without_loss_or_repetition(
    runpod_desk: Desk, cuts: list[int], step: float
) -> None:
    lines = [f"line {number}" for number in range(8)]
    # A cut repeats all that came before: it must be longer than that to get on.
    runpod_desk.account.faults.cut_logs_after += [cut + 3 * number for number, cut in enumerate(cuts)]
    assert read(runpod_desk, printing(runpod_desk, *lines, step=step)) == lines


@pytest.mark.parametrize("cuts", [[3], [1, 4, 7], [5, 5]])
def test_the_vendors_own_log_is_resumed_without_loss(runpod_desk: Desk, cuts: list[int]) -> None:
    """Its ids are whole seconds: three of eight lines came when the stream was resumed at the last one."""
    pod = runpod_desk.provider.launch(runpod_desk.request())
    said = [f"layer {number}" for number in range(8)]
    runpod_desk.account.pods[pod.id].system = [(1000.0 + 0.3 * number, line) for number, line in enumerate(said)]
    runpod_desk.account.faults.cut_logs_after += cuts
    assert b"".join(runpod_desk.provider.boot_log(pod.id)).decode().splitlines() == said


def test_a_page_that_is_not_runpods_is_no_proof_that_a_log_is_gone(runpod_desk: Desk) -> None:
    pod_id = printing(runpod_desk, "one")
    runpod_desk.fails("GET", "/pods/.*/logs", status=404, page="<html>not here</html>")
    with pytest.raises(Transient, match="something before RunPod"):
        read(runpod_desk, pod_id)


def test_equal_lines_of_one_second_are_all_kept(runpod_desk: Desk) -> None:
    runpod_desk.account.faults.cut_logs_after.append(2)
    assert read(runpod_desk, printing(runpod_desk, "same", "same", "same", "other")) == ["same"] * 3 + ["other"]


def test_a_stream_that_breaks_again_and_again_is_given_up(runpod_desk: Desk) -> None:
    runpod_desk.account.faults.cut_logs_after += [0] * 20
    with pytest.raises(Transient, match="again and again"):
        read(runpod_desk, printing(runpod_desk, "one"))


def test_a_pod_that_is_gone_has_no_output(runpod_desk: Desk) -> None:
    pod_id = printing(runpod_desk, "one")
    runpod_desk.provider.terminate(pod_id)
    assert read(runpod_desk, pod_id) == []
    assert read(runpod_desk, "cluster:c1") == []


def test_a_refused_log_is_one_line(runpod_desk: Desk) -> None:
    pod_id = printing(runpod_desk, "one")
    runpod_desk.fails("GET", "/pods/.*/logs", status=403)
    with pytest.raises(Unauthorised, match=f"cannot read the log of pod {pod_id}"):
        read(runpod_desk, pod_id)


def test_what_is_no_id_does_not_change_the_address(runpod_desk: Desk) -> None:
    assert read(runpod_desk, "../clusters/x?y") == []
    assert runpod_desk.server.api.calls[-1][1] == "/pods/..%2Fclusters%2Fx%3Fy/logs"
