"""A chat-completions endpoint that keeps every request body it is sent, and answers by a function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], "dict[str, Any]"]
"""From a request body to the `message` of the answer."""


@dataclass
class Recording:
    """What was sent, and where the endpoint is."""

    base_url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All bodies, with escapes of JSON undone."""
        return "\n".join(json.dumps(json.loads(body), ensure_ascii=False) for body in self.bodies)


@contextmanager
def recording(answer: Answer) -> Iterator[Recording]:
    """An endpoint on this machine until the block ends."""
    kept = Recording()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.bodies.append(body)
            message = {"role": "assistant", "content": None, **answer(json.loads(body))}
            finish = "tool_calls" if message.get("tool_calls") else "stop"
            reply = {
                "choices": [{"index": 0, "finish_reason": finish, "message": message}],
                "usage": {"prompt_tokens": len(body) // 4, "completion_tokens": 1},
            }
            self.reply(200, json.dumps(reply).encode())

        def do_GET(self) -> None:
            kept.bodies.append(json.dumps(self.path).encode())
            self.reply(404, b"{}")

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
