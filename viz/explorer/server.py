"""The explorer on a live graph, served to a browser on this machine and to nobody else.

What guards it: it listens on 127.0.0.1 alone; its address has a token in it, that no other page knows; a request must
name this address as its host (another name that leads here, by DNS rebinding, is refused) and, where it has one, as its
origin; requests are small, and have one time limit, however their bytes come; so many connections at once are
answered, and no more; and the page's policy lets its script talk to no other server.
"""

from __future__ import annotations

import hmac
import io
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.graph_page import explorer_page
from tinygrad_lite.viz.explorer.html_page import policy
from tinygrad_lite.viz.explorer.live_graph import RequestError, Session

HOST = "127.0.0.1"
#: Bytes: more than any page of ours sends.
MAX_REQUEST = 65_536
#: Seconds that a browser may take to send one request, and again to take its answer.
TIMEOUT = 10.0
#: At once, each with a thread of its own: browsers open six.
MAX_CONNECTIONS = 32
#: Seconds after the last page was closed, in which it may come back: a browser that reloads it closes it first.
GRACE = 2.0
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LiveServer(ThreadingHTTPServer):
    """Serves one graph; close it when done.

    Args:
        root: The node at the end of the graph.
        port: Where to listen; 0: any free port.
        until_closed: Whether ``serve_forever`` ends when the last page is closed.
        options: Those of :func:`tinygrad_lite.viz.explorer.graph_page.explorer_page`.

    Attributes:
        address: What to open in a browser.

    Raises:
        OSError: The port is taken, or not allowed.
        TypeError, ValueError, StaleGraphError: As :func:`tinygrad_lite.viz.explorer.graph_page.explorer_page`.

    >>> with LiveServer(Value(2.0, label="a")) as server:
    ...     server.address.startswith("http://127.0.0.1:")
    True
    """

    daemon_threads = True
    # On Windows this would let another program listen on the same port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, root: Value, port: int = 0, until_closed: bool = False, **options: Any) -> None:
        self.until_closed = until_closed
        kind = "server until closed" if until_closed else "server"
        self.page = explorer_page(root, live=kind, **options).encode()
        self.session = Session(root, options.get("max_nodes", 5000))
        self.token = secrets.token_urlsafe(24)
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._open_pages = 0
        self._counting = threading.Lock()
        super().__init__((HOST, port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.address = f"http://{HOST}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is one left."""
        if not self._free.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was made
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, and give its thread back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    @contextmanager
    def open_page(self) -> Iterator[None]:
        """Count a page as open; after the last one, and some time in which it may come back, stop serving."""
        with self._counting:
            self._open_pages += 1
        try:
            yield
        finally:
            with self._counting:
                self._open_pages -= 1
            stopping = threading.Timer(GRACE, self._stop_without_pages)
            stopping.daemon = True
            stopping.start()

    def _stop_without_pages(self) -> None:
        with self._counting:
            if self._open_pages:
                return
        self.shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a connection that ended: by a browser, by the time limit, by Ctrl-C; others are shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Reader(io.RawIOBase):
    """What a client sends, until the request's time is over: were each read given its own, a byte now and then would
    hold a connection for ever."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._handler.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._handler.connection.settimeout(left)
        received: int = self._handler.connection.recv_into(buffer)
        return received


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    server_version = "tinygrad-lite"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    #: of a request that does not say: it is answered with a status line too, which Python does from 3.14 on
    default_request_version = "HTTP/1.0"
    timeout = TIMEOUT
    deadline = 0.0

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Reader(self))

    def handle_one_request(self) -> None:
        self.deadline = time.monotonic() + self.timeout
        super().handle_one_request()

    def do_GET(self) -> None:
        page = "open" if self.server.until_closed and self.path.endswith("/open") else ""
        if not (self._is_from_here() and self._is_addressed_to(page)):
            return
        if page:
            self._wait_until_closed()
        else:
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not (self._is_from_here(needs_origin=True) and self._is_addressed_to("evaluate")):
            return
        request = self._request()
        if request is None:
            return
        try:
            answer = self.server.session.answer(request)
        except RequestError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, json.dumps(answer, allow_nan=False).encode(), "application/json")

    def _wait_until_closed(self) -> None:
        """Answer without an end: the connection ends with the page, whatever becomes of it and of its browser."""
        self.close_connection = True
        self._send_head(HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8"})
        self.connection.settimeout(None)
        with self.server.open_page(), suppress(OSError):
            while self.connection.recv(1024):
                pass

    # --------------------------------------------------------------------------------------------- who asks

    def _is_addressed_to(self, page: str) -> bool:
        """Whether the token is in the address; compared in constant time, so that it cannot be guessed bit by bit."""
        _, token, *rest = [*self.path.split("?")[0].split("/"), ""]
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return self._refuse(
                HTTPStatus.FORBIDDEN, "open the address that tinygrad-lite printed: it has a token in it"
            )
        if rest != [page, ""]:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        return True

    def _is_from_here(self, needs_origin: bool = False) -> bool:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            return self._refuse(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 alone")
        origins = self.headers.get_all("Origin") or []
        if (origins or needs_origin) and origins != [f"http://{hosts[0]}"]:
            return self._refuse(HTTPStatus.FORBIDDEN, "this server answers its own page alone")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return self._refuse(HTTPStatus.FORBIDDEN, "this server answers its own page alone")
        return True

    # --------------------------------------------------------------------------------------------- what is asked

    def _request(self) -> object:
        """Return the JSON of a request; None if it was refused."""
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
            return None
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say how long the request is")
            return None
        if len(length) > 9 or int(length) > MAX_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {MAX_REQUEST} bytes")
            return None
        try:
            request: object = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            request = None
        if request is None:
            self._refuse(HTTPStatus.BAD_REQUEST, "the request is no JSON object")
        return request

    # --------------------------------------------------------------------------------------------- answers

    def _refuse(self, status: HTTPStatus, why: str) -> bool:
        self.close_connection = True  # what else was sent stays unread
        self._send(status, f"{why}\n".encode(), "text/plain; charset=utf-8")
        return False

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._send_head(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _send_head(self, status: HTTPStatus, content: dict[str, str]) -> None:
        self.connection.settimeout(self.timeout)
        self.send_response(status)
        for name, value in {
            **content,
            "Content-Security-Policy": f"{policy(connects=True)}; frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            **({"Connection": "close"} if self.close_connection else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server itself refuses: other methods, requests that are none."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the terminal shows the address."""
