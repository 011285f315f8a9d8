"""A small server that behaves as the documented Batch API: files, batches, output and error files, expiry."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], "dict[str, Any] | tuple[int, dict[str, Any]] | None"]


@dataclass
class Api:
    """`answer` makes of a request's body the content of a reply, (status, error), or `None`: not done in time.

    A batch ends at its look number `looks` with `status`; `invalid` fails it at once with these errors.
    """

    answer: Answer
    looks: int = 1
    status: str = "completed"
    invalid: list[dict[str, Any]] | None = None
    route: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, bytes]:
        kind, name, *rest = path.removeprefix("/v1/").split("/")
        if kind == "files" and rest == ["content"] and name in self.files:
            return 200, self.files[name]
        if kind == "batches" and name in self.batches:
            return 200, json.dumps(self.look(self.batches[name])).encode()
        return 404, b'{"error": {"message": "no such thing", "code": null}}'

    def upload(self, content_type: str, body: bytes) -> tuple[int, bytes]:
        parts = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body).get_payload()
        named = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in parts}
        assert named["purpose"] == b"batch"
        name = f"file-{len(self.files)}"
        self.files[name] = named["file"]
        made = {"id": name, "object": "file", "bytes": len(named["file"]), "purpose": "batch", "status": "processed"}
        return 200, json.dumps(made).encode()

    def create(self, body: dict[str, Any]) -> tuple[int, bytes]:
        assert body["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {body["endpoint"]}
        assert {line["method"] for line in lines} == {"POST"}
        assert len({line["custom_id"] for line in lines}) == len(lines)
        batch = {
            "id": f"batch_{len(self.batches)}", "object": "batch", "endpoint": body["endpoint"], "errors": None,
            "input_file_id": body["input_file_id"], "completion_window": "24h", "status": "validating", "created_at": 1,
            "output_file_id": None, "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0}, "looked": 0,
        }  # fmt: skip
        self.batches[batch["id"]] = batch
        return 200, json.dumps(batch).encode()

    def look(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looked"] += 1
        if self.invalid is not None:
            batch.update(status="failed", errors={"object": "list", "data": self.invalid})
        elif batch["looked"] < self.looks:
            batch["status"] = "in_progress"
        elif batch["output_file_id"] is None:
            self.finish(batch)
        return batch

    def finish(self, batch: dict[str, Any]) -> None:
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for number, line in enumerate(map(json.loads, self.files[batch["input_file_id"]].splitlines())):
            made = self.answer(line["body"])
            row = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": None, "error": None}
            if made is None:
                late = "This request could not be executed before the completion window expired."
                bad.append(row | {"error": {"code": "batch_expired", "message": late}})
            elif isinstance(made, tuple):
                status, error = made
                bad.append(row | {"response": {"status_code": status, "request_id": "r", "body": {"error": error}}})
            else:
                good.append(row | {"response": {"status_code": 200, "request_id": "r", "body": made}})
        for key, rows in (("output_file_id", good), ("error_file_id", bad)):
            name = f"file-{len(self.files)}"
            self.files[name] = "".join(json.dumps(row) + "\n" for row in reversed(rows)).encode()
            batch[key] = name if rows else None
        counts = {"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)}
        batch.update(status=self.status, request_counts=counts)


def completion(content: str, **more: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **more}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@contextmanager
def serve(api: Api) -> Iterator[str]:
    """The base URL of the API while it is served."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.seen.append(("GET", self.path))
            self.say(*(api.get(self.path) if api.route else (404, b"no route")))

        def do_POST(self) -> None:
            api.seen.append(("POST", self.path))
            body = self.rfile.read(int(self.headers["content-length"]))
            if not api.route:
                self.say(404, b"no route")
            elif self.path == "/v1/files":
                self.say(*api.upload(self.headers["content-type"], body))
            else:
                self.say(*api.create(json.loads(body)))

        def say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
