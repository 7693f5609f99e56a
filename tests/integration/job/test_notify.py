"""A real bad run tells of itself, by a command and by a webhook, each message once and the secret nowhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "s3cr3t-path"


def test_a_followed_run_tells_of_its_abort_once_whoever_else_watches(desk: Any, tmp_path: Path) -> None:
    posted: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        desk.env["MY_HOOK"] = f"http://127.0.0.1:{server.server_port}/{SECRET}"
        notify = {"command": f'(cat; echo) >> "{tmp_path}/told"', "webhook": "${MY_HOOK}"}
        bad = {"num_epochs": 50, "learning_rate": 3.0}
        followed = desk.command("submit", desk.spec(train=bad, checklist={"min_steps": 20}, notify=notify))
        assert followed.returncode == 21, followed.stdout + followed.stderr
        later = desk.command("abort-on-bad-signs", "--all")
        server.shutdown()

    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    for messages in (told, posted):
        assert [message["event"] for message in messages] == ["verdict", "abort", "end"]
        assert {message["verdict"] for message in messages} == {"bad"}
        assert (messages[-1]["state"], messages[-1]["billing"]) == ("aborted", "off")
    assert SECRET not in followed.stdout + followed.stderr + later.stdout + later.stderr
    kept = [path for path in (desk.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
