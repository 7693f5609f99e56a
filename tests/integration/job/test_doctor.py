"""codecjob doctor on a folder and on real servers."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from infra.store import Store, open_store
from infra.store.folder import FolderStore
from job.checks.doctor import pod as about_the_pod
from job.checks.doctor import store as about
from job.checks.doctor.check import Patient, look
from job.checks.doctor.pod import about_pod
from job.checks.doctor.store import about_store
from job.checks.finding import Finding, Level
from job.record import store_clock
from job.run.store_access import KEY_VARIABLE, SECRET_VARIABLE
from job.spec.load import check_spec
from job.spec.model import JobSpec
from servers.radosgw import ROLE
from servers.server import S3Server, use


def spec(**changes: Any) -> JobSpec:
    return check_spec({"name": "doctor", "data": "clips", "provider": "runpod", "max_hours": 0.5, **changes}, "test")


def examined(store: Store, job: JobSpec | None = None) -> list[Finding]:
    return list(look(Patient(store, job), (about_store, about_pod)))


def said(findings: list[Finding], level: Level) -> str:
    return "\n".join(finding.message for finding in findings if finding.level is level)


def left_in(store: Store) -> list[str]:
    return [info.key for info in store.list("")]


def test_the_command_says_what_works_and_leaves_nothing(desk: Any) -> None:
    done = desk.command("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    assert {finding["level"] for finding in answer["findings"]} == {"note"}
    for words in ("put: works", "one of 8 racing writers won, by hard links", "clock: agrees", "delete: works"):
        assert words in done.stdout
    assert left_in(desk.store) == []


def test_the_command_ends_with_2_where_a_store_does_not_work(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = desk.command("doctor", "--store", tmp_path / "file")
    assert done.returncode == 2
    assert "put: cannot write" in done.stdout


def test_a_session_can_do_what_a_pod_does_and_no_more(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    findings = examined(store, spec(access={"role": ROLE}))
    assert not [finding for finding in findings if finding.level is not Level.NOTE]
    notes = said(findings, Level.NOTE)
    assert "credentials: keys from env; no end that is known here" in notes
    assert "by conditional writes" in notes
    assert "the pod can upload 17 MB in parts: works" in notes
    assert "the pod cannot delete in its run: the store refuses it" in notes
    assert "the pod cannot read another run: the store refuses it" in notes
    assert radosgw.secret not in notes
    assert left_in(store) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files are tried elsewhere."""
    for module in (about, about_the_pod):
        monkeypatch.setattr(module, "BIG_BYTES", 1000)


@pytest.mark.usefixtures("quick")
def test_a_key_that_is_not_restricted_is_found_out(swift: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(swift, monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, swift.key)
    monkeypatch.setenv(SECRET_VARIABLE, swift.secret)
    store = open_store(swift.new_url())
    findings = examined(store, spec())
    assert not [finding for finding in findings if finding.level is Level.ERROR]
    warnings = said(findings, Level.WARNING)
    assert "the pod can delete in its run, which it does not need" in warnings
    assert "the pod can read another run, which it does not need" in warnings
    assert "by writing, waiting and reading back" in said(findings, Level.NOTE)
    assert left_in(store) == []


@pytest.mark.usefixtures("quick")
def test_a_pod_that_would_get_nothing_is_an_error(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    assert "a pod of runpod is not given those" in said(examined(store, spec()), Level.ERROR)
    assert "gives no session of 8.03 h" in said(examined(store, spec(access={"role": ROLE}, max_hours=8)), Level.ERROR)
    assert left_in(store) == []


def test_a_missing_permission_is_named(stranger: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(stranger, monkeypatch)
    errors = said(examined(open_store(stranger.new_url())), Level.ERROR)
    assert "put: cannot write" in errors
    assert "grant them s3:PutObject there" in errors


def test_a_clock_that_is_off_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        time = staticmethod(lambda: time.time() + 300)

    monkeypatch.setattr(store_clock, "time", Clock)
    warnings = said(examined(open_store(str(tmp_path))), Level.WARNING)
    assert "s; set this machine's: nothing starts here" in warnings


def test_a_store_in_which_everybody_wins_is_an_error(tmp_path: Path) -> None:
    class Careless(FolderStore):
        def create(self, key: str, data: bytes) -> bool:
            self.put(key, data)
            return True

    assert "8 of 8 racing writers won" in said(examined(Careless(tmp_path)), Level.ERROR)
    assert left_in(Careless(tmp_path)) == []
