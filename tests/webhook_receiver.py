"""An intake system that really listens for webhooks, and does what a test says with each."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """``heard`` are the headers and the body of every call, in the order they came; ``answers`` says with which status each
    is answered, from its number (counted from 0). A status of 0 breaks the connection off.
    """

    def __init__(self, answers: Callable[[int], int] = lambda _: 204, *, tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.heard: list[tuple[dict[str, str], bytes, int]] = []
        self.body = b""
        self.location: str | None = None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}/hooks?from=greenlane"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def taken(self) -> list[tuple[dict[str, str], bytes]]:
        """The calls that were answered with success."""
        return [(headers, body) for headers, body, status in self.heard if 200 <= status < 300]

    def _hear(self, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            status = self.answers(len(self.heard))
            self.heard.append((headers, body, status))
            return status

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()} | {":path": self.path}
                status = receiver._hear(headers, body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                if receiver.location is not None:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class Trickle:
    """An intake system that answers one byte of a header now and then, for ever. ``called`` counts its connections."""

    def __init__(self, every: float = 0.05) -> None:
        self.every = every
        self.called = 0
        self.left = threading.Event()
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and answering."""
        self._ended.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                calling, _ = self._listening.accept()
                self.called += 1
                threading.Thread(target=self._answer, args=(calling,), daemon=True).start()

    def _answer(self, calling: socket.socket) -> None:
        with calling, suppress(OSError):
            calling.sendall(b"HTTP/1.1 204 No Content\r\nx-slow: ")
            while not self._ended.wait(self.every):
                calling.sendall(b"x")
        self.left.set()
