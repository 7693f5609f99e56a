"""What codecjob doctor says of a provider, before the fake of RunPod."""

from pathlib import Path
from typing import Any

import pytest

from fakes.runpod.desk import Desk
from infra.store import open_store
from job.checks.doctor.check import Patient, look
from job.checks.doctor.provider import about_provider
from job.checks.finding import Finding, Level
from job.spec.load import check_spec

IMAGE = "ghcr.io/me/codecjob:1"


@pytest.fixture
def client(runpod_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """This process is a client of the fake."""
    monkeypatch.setenv("CODECJOB_RUNPOD_URL", runpod_desk.server.url)
    monkeypatch.setenv("RUNPOD_API_KEY", runpod_desk.account.key)
    monkeypatch.setenv("HOME", str(tmp_path))
    return runpod_desk


def findings(tmp_path: Path, **spec: Any) -> list[Finding]:
    job = check_spec({"name": "a", "data": "clips", "image": IMAGE, **spec}, "test") if spec else None
    return list(look(Patient(open_store(str(tmp_path / "store")), job), (about_provider,)))


def said(found: list[Finding], level: Level) -> str:
    return "\n".join(finding.message for finding in found if finding.level is level)


def test_all_is_well(client: Desk, tmp_path: Path) -> None:
    pod = client.provider.launch(client.request())
    found = findings(tmp_path, provider="runpod", gpu="RTX 4090")
    notes = said(found, Level.NOTE)
    assert len(notes.splitlines()) == len(found) == 4
    assert f"1 of codecjob's: {pod.id}" in notes
    assert "clock: agrees with RunPod's" in notes
    assert "2 offers fit, the first: NVIDIA GeForce RTX 4090 (community) at 0.34 USD/h" in notes
    assert "balance: RunPod's API does not tell it" in notes


def test_without_a_spec_runpod_is_looked_at_if_there_is_a_key(
    client: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "list the pods of runpod: works" in said(findings(tmp_path), Level.NOTE)
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert "no RunPod key is set" in said(findings(tmp_path), Level.NOTE)


def test_a_wrong_key_is_an_error_and_the_end(client: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_wrong")
    found = findings(tmp_path, provider="runpod")
    assert len(found) == 1
    assert "RunPod does not know the key (401" in said(found, Level.ERROR)


def test_what_the_spec_cannot_get_is_an_error(client: Desk, tmp_path: Path) -> None:
    assert "did you mean" in said(findings(tmp_path, provider="runpod", gpu="RTX 4900"), Level.ERROR)
    dear = findings(tmp_path, provider="runpod", max_price_per_hour=0.01)
    assert "max_price_per_hour: 0.01 USD, but the cheapest" in said(dear, Level.ERROR)


def test_a_clock_that_is_off_is_a_warning(client: Desk, tmp_path: Path) -> None:
    client.server.clock_behind = 600
    assert "clock: this machine and RunPod differ by 60" in said(findings(tmp_path, provider="runpod"), Level.WARNING)


def test_this_machine_needs_no_key(tmp_path: Path) -> None:
    notes = said(findings(tmp_path, provider="local"), Level.NOTE)
    assert "list the pods of local: works" in notes
    assert "find a machine for the spec: works" in notes
