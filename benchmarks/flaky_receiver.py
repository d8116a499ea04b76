"""An intake system that listens for webhooks and refuses a share of them, by turns with an error and with a broken line."""

from __future__ import annotations

import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving.client import Event, WebhookSignatureError, verify_webhook

_MOST_REFUSALS = 6
"""Of one event. By chance alone one of some thousands is refused twelve times, and the pauses between add up to an hour."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Say nothing: callers die in the middle of a call."""


class FlakyReceiver:
    """``taken``: the events it said yes to, in the order of its answers, repeats included; ``heard`` counts every call."""

    def __init__(self, failing: float, chance: random.Random) -> None:
        self.secret = ""
        self.heard = self.unsigned = 0
        self.taken: list[Event] = []
        self._refused: Counter[str] = Counter()
        self._failing = failing
        self._chance = chance
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def hear(self, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer; 0: the line breaks."""
        with self._lock:
            self.heard += 1
            try:
                event = verify_webhook(headers, body, self.secret)
            except WebhookSignatureError:
                self.unsigned += 1
                return 400
            if self._refused[event.event_id] < _MOST_REFUSALS and self._chance.random() < self._failing:
                self._refused[event.event_id] += 1
                return self._chance.choice((500, 503, 0))
            self.taken.append(event)
            return 204


def _handler(receiver: FlakyReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:
                # Whoever called died in the middle of its own words.
                self.close_connection = True
                return
            status = receiver.hear({name.lower(): value for name, value in self.headers.items()}, body)
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
