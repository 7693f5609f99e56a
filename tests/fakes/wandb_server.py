"""The part of a Weights & Biases server that a run meets: it keeps what it is sent, and may be told to refuse."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandbServer:
    """What has arrived; `refuse` answers everything with 500 from now on."""

    def __init__(self) -> None:
        self.url = ""
        self.refuse = False
        self.runs: dict[str, dict[str, Any]] = {}
        """By name: what UpsertBucket set last (config, tags, state), and the history and summary streamed."""
        self.alerts: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.unknown: list[str] = []

    def graphql(self, query: str, values: dict[str, Any]) -> dict[str, Any]:
        """The answer to one call."""
        name = match[1] if (match := re.search(r"(?:query|mutation)\s+(\w+)", query)) else ""
        if name == "Viewer":
            return {"viewer": {"id": "v", "entity": "lab", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        if name == "UpsertBucket":
            return self._upsert(values)
        if name == "RunResumeStatus":
            return self._resume(values)
        if name == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/upload/{values['run']}/{f}"} for f in values["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if name == "NotifyScriptableRunAlert":
            self.alerts.append(values)
            return {"notifyScriptableRunAlert": {"success": True}}
        self.unknown.append(name)
        return {}

    def stream(self, run: str, body: dict[str, Any]) -> None:
        """Rows of history and the summary of a run; at its end its exit code."""
        kept = self.runs.setdefault(run, {})
        for name, part in (body.get("files") or {}).items():
            lines = [json.loads(line) for line in part["content"]]
            if name == "wandb-history.jsonl":
                kept.setdefault("history", {}).update(enumerate(lines, start=part["offset"]))
            elif name == "wandb-summary.json":
                kept["summary"] = lines[-1]
        if body.get("complete"):
            kept["exit_code"] = body.get("exitcode")

    def _upsert(self, values: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(values["name"], {"upserts": []})
        run["upserts"].append(values)
        run |= {key: values[key] for key in ("project", "entity", "tags") if values.get(key) is not None}
        if values.get("config"):
            run["config"] = json.loads(values["config"])
        bucket = {
            "id": values["name"],
            "name": values["name"],
            "displayName": values["name"],
            "project": {"name": run.get("project", ""), "entity": {"name": run.get("entity") or "lab"}},
            "historyLineCount": len(run.get("history", {})),
            "tags": run.get("tags", []),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": len(run["upserts"]) == 1}}

    def _resume(self, values: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(values["name"])
        if run is None:
            return {"model": {"bucket": None}}
        history = [run.get("history", {})[index] for index in sorted(run.get("history", {}))]
        return {
            "model": {
                "bucket": {
                    "id": values["name"],
                    "name": values["name"],
                    "historyLineCount": len(history),
                    "eventsLineCount": 0,
                    "logLineCount": 0,
                    "historyTail": json.dumps([json.dumps(row) for row in history[-1:]]),
                    "eventsTail": "[]",
                    "summaryMetrics": json.dumps(run.get("summary", {})),
                    "config": json.dumps(run.get("config", {})),
                    "tags": run.get("tags", []),
                    "wandbConfig": json.dumps({"t": 1}),
                }
            }
        }


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """A server on this machine for as long as the context lasts."""
    kept = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer: dict[str, Any] = {}
            if not kept.refuse:
                answer = self.route(body)
            data = json.dumps(answer).encode()
            self.send_response(500 if kept.refuse else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = answer

        def route(self, body: bytes) -> dict[str, Any]:
            if self.path == "/graphql":
                asked = json.loads(body)
                return {"data": kept.graphql(asked["query"], asked.get("variables") or {})}
            if match := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                kept.stream(match[1], json.loads(body))
            elif match := re.fullmatch(r"/upload/(.+)", self.path):
                kept.files[match[1]] = body
            return {}

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield kept
        finally:
            server.shutdown()
