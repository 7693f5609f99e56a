"""A real bad run notifies its webhook, each message once and the secret nowhere."""

from typing import Any

from fakes.webhook import SECRET, running_hook


def test_a_followed_run_tells_of_its_abort_once_whoever_else_watches(desk: Any) -> None:
    with running_hook() as hook:
        desk.env["MY_HOOK"] = hook.url
        bad = {"num_epochs": 50, "learning_rate": 3.0}
        notify = {"webhook": "${MY_HOOK}"}
        followed = desk.command("submit", desk.spec(train=bad, checklist={"min_steps": 20}, notify=notify))
        assert followed.returncode == 21, followed.stdout + followed.stderr
        later = desk.command("abort-on-bad-signs", "--all")

    assert [message["event"] for message in hook.posted] == ["verdict", "abort", "end"]
    assert {message["verdict"] for message in hook.posted} == {"bad"}
    assert (hook.posted[-1]["state"], hook.posted[-1]["billing"]) == ("aborted", "off")
    assert SECRET not in followed.stdout + followed.stderr + later.stdout + later.stderr
    kept = [path for path in (desk.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
