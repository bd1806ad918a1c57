"""The live server answers its own page on this machine, and nobody else."""

from __future__ import annotations

import errno
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.viz.explorer import server
from tinygrad_lite.viz.explorer.server import HOST, MAX_REQUEST, LiveServer

JSON = {"Content-Type": "application/json"}


class Client:
    """Talks to a server over one connection a request."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.host = f"{HOST}:{server.server_port}"
        self.origin = {"Origin": f"http://{self.host}"}
        self.path = f"/{server.token}/"

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(HOST, self.server.server_port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def evaluate(self, request: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
        body = request if isinstance(request, (bytes, str)) else json.dumps(request)
        return self.ask("POST", f"{self.path}evaluate", {**JSON, **self.origin, **headers}, body)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    with LiveServer(a * b + a) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


def test_the_page_is_at_the_address_with_the_token(client: Client) -> None:
    assert client.server.address == f"http://{client.host}{client.path}"
    status, headers, body = client.ask("GET", client.path)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert body == client.server.page
    assert b'"live":"server"' in body


def test_every_answer_has_a_strict_policy(client: Client) -> None:
    for status, headers, _ in (
        client.ask("GET", client.path),
        client.ask("GET", "/"),
        client.ask("PUT", client.path),
        client.evaluate({}),
        client.evaluate("{"),
    ):
        rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert rules["default-src"] == "'none'", status
        assert rules["connect-src"] == "'self'"
        assert rules["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_setting_a_leaf_evaluates_and_differentiates(client: Client) -> None:
    status, headers, body = client.evaluate({"set": {"0": 4.0}, "difference": {"node": 1, "step": 1e-3}})
    assert (status, headers["content-type"]) == (200, "application/json")
    answer = json.loads(body)
    assert answer["numbers"]["data"][-1] == 4.0 * -3.0 + 4.0
    assert answer["numbers"]["adjoint"][:2] == [-2.0, 4.0]
    assert answer["difference"]["quotient"] == pytest.approx(4.0)


@pytest.mark.parametrize("path", ["/", "//", "/wrong/", "/%2e%2e/", "*"])
def test_without_the_token_nothing_is_told(client: Client, path: str) -> None:
    for method, headers in (("GET", {}), ("POST", {**JSON, **client.origin})):
        status, _, body = client.ask(method, path, headers, "{}" if method == "POST" else None)
        assert status == 403
        assert client.server.token.encode() not in body


@given(cut=st.integers(0, 31), end=st.text("abcXYZ012-_", max_size=8))
def test_a_part_of_the_token_is_no_token(client: Client, cut: int, end: str) -> None:
    token = client.server.token[:cut] + end
    if token != client.server.token:
        assert client.ask("GET", f"/{token}/")[0] == 403


@pytest.mark.parametrize("page", ["evaluate", "../", "index.html", "/", "evaluate/"])
def test_there_is_nothing_else(client: Client, page: str) -> None:
    assert client.ask("GET", client.path + page)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::1]", "", "127.0.0.1.evil.example"]
)
def test_other_hosts_are_refused(client: Client, host: str) -> None:
    status, _, body = client.ask("GET", client.path, {"Host": host})
    assert status == 403
    assert b"<html" not in body
    assert client.evaluate({}, Host=host)[0] == 403


def test_localhost_is_this_host_too(client: Client) -> None:
    assert client.ask("GET", client.path, {"Host": f"localhost:{client.server.server_port}"})[0] == 200


def test_two_hosts_are_refused(client: Client) -> None:
    lines = f"GET {client.path} HTTP/1.1\r\nHost: {client.host}\r\nHost: evil.example\r\n\r\n"
    assert raw(client, lines.encode()).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", ""])
def test_other_origins_are_refused(client: Client, origin: str) -> None:
    assert client.ask("GET", client.path, {"Origin": origin})[0] == 403
    assert client.evaluate({}, Origin=origin)[0] == 403


def test_a_change_needs_an_origin(client: Client) -> None:
    assert client.ask("POST", f"{client.path}evaluate", JSON, "{}")[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_comes_from_another_site_is_refused(client: Client, site: str) -> None:
    assert client.ask("GET", client.path, {"Sec-Fetch-Site": site})[0] == 403
    assert client.evaluate({}, **{"Sec-Fetch-Site": site})[0] == 403


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[" * 50_000, b"\xff\xfe", "[]", '"text"', "NaN", '{"set": 1}', '{"run": 1}']
)
def test_what_is_no_request_is_refused_in_one_line(client: Client, body: bytes | str) -> None:
    status, headers, answer = client.evaluate(body)
    assert status == 400
    assert headers["content-type"].startswith("text/plain")
    assert answer.count(b"\n") == 1


@given(body=st.binary(max_size=60))
def test_any_bytes_are_answered_or_refused(client: Client, body: bytes) -> None:
    assert client.evaluate(body)[0] in (200, 400)


def test_requests_are_small(client: Client) -> None:
    assert client.evaluate(" " * (MAX_REQUEST - 2) + "{}")[0] == 200
    for length in (MAX_REQUEST + 1, 10**30):
        lines = f"POST {client.path}evaluate HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
        lines += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        assert raw(client, lines.encode()).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("length", ["", "-1", "1e3", "٣"])
def test_a_request_says_how_long_it_is(client: Client, length: str) -> None:
    lines = f"POST {client.path}evaluate HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
    lines += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    assert raw(client, lines.encode()).startswith(b"HTTP/1.1 411")


def test_a_request_in_pieces_is_refused(client: Client) -> None:
    lines = f"POST {client.path}evaluate HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
    lines += (
        "Content-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert raw(client, lines.encode()).startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_refused(client: Client, kind: str) -> None:
    assert client.evaluate({}, **{"Content-Type": kind})[0] == 415


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "HEAD", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    assert client.ask(method, client.path)[0] == 501


def test_what_is_no_http_is_refused(client: Client) -> None:
    refused = raw(client, b"hello\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 400")
    assert refused.endswith(b"\r\n\r\nBad Request\n")
    assert raw(client, f"GET /é/ HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()).startswith(b"HTTP/1.1 403")


def test_a_refused_request_ends_its_connection(client: Client) -> None:
    second = f"GET {client.path} HTTP/1.1\r\nHost: {client.host}\r\n\r\n"
    answer = raw(client, f"GET / HTTP/1.1\r\nHost: {client.host}\r\n\r\n{second}".encode())
    assert answer.count(b"HTTP/1.1") == 1


def test_it_listens_on_this_machine_alone(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"


def test_tokens_are_long_and_new(client: Client) -> None:
    with LiveServer(Value(1.0)) as other:
        assert other.token != client.server.token
        assert len(other.token) >= 32


def test_a_taken_port_is_an_error(client: Client) -> None:
    with pytest.raises(OSError, match=r"(?i)in use"):
        LiveServer(Value(1.0), client.server.server_port)


def test_a_silent_client_is_left_after_a_while(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.05)
    with socket.create_connection((HOST, client.server.server_port), timeout=10) as connection:
        connection.sendall(b"GET /")
        assert connection.recv(100) == b""


@pytest.mark.parametrize("part", ["line", "headers", "body"])
def test_a_client_that_sends_a_byte_now_and_then_is_left_too(
    client: Client, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.3)
    head = f"POST {client.path}evaluate HTTP/1.1\r\n"
    fields = f"Host: {client.host}\r\nOrigin: http://{client.host}\r\nContent-Type: application/json\r\n"
    begun = {"line": "", "headers": head, "body": f"{head}{fields}Content-Length: 500\r\n\r\n"}[part]
    with socket.create_connection((HOST, client.server.server_port), timeout=0.05) as connection:
        connection.sendall(begun.encode())
        sent = 0
        with suppress(ConnectionError):  # it was left
            while sent < 100:  # each within the limit, and all together far beyond it
                connection.sendall(b"x")
                sent += 1
                with suppress(TimeoutError):
                    if connection.recv(100) == b"":
                        break
    assert sent < 100


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Client, threading.Thread]]:
    """A server of its own, and the thread that it serves in."""
    with LiveServer(Value(2.0, "a") * 3.0, **options) as own:
        thread = threading.Thread(target=own.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Client(own), thread
        finally:
            own.shutdown()
            thread.join()


def is_refused(client: Client) -> bool:
    """Whether there is no thread for a request: 503, or the end of the connection, where that is seen first."""
    try:
        status = client.ask("GET", client.path)[0]
    except ConnectionError:
        return True
    assert status in (200, 503)
    return status == 503


def test_so_many_connections_are_answered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    before = threading.active_count()
    with serving() as (client, _):
        silent = [socket.create_connection((HOST, client.server.server_port), timeout=10) for _ in range(3)]
        assert all(is_refused(client) for _ in range(20))
        assert threading.active_count() <= before + 1 + 3
        for connection in silent:
            connection.close()
        while is_refused(client):  # until the threads have seen it
            pass


def test_a_thread_that_cannot_be_made_costs_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    with LiveServer(Value(1.0)) as own:

        def fail(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        ours, theirs = socket.socketpair()
        with ours, theirs, monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            with pytest.raises(RuntimeError, match="new thread"):
                own.process_request(ours, ("", 0))
        assert own._free.acquire(blocking=False)


def test_a_connection_that_ctrl_c_closed_is_no_error_and_others_are(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveServer(Value(1.0)) as own:
        for error in (OSError(errno.EBADF, "Bad file descriptor"), ArithmeticError("a fault of ours")):
            try:
                raise error
            except Exception:
                own.handle_error(None, (HOST, 1))
    err = capsys.readouterr().err
    assert "descriptor" not in err
    assert "a fault of ours" in err


def open_page(client: Client) -> socket.socket:
    """What the page does first: ask for an answer that ends with it."""
    page = socket.create_connection((HOST, client.server.server_port), timeout=10)
    page.sendall(f"GET {client.path}open HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
    assert page.recv(15).startswith(b"HTTP/1.1 200")
    return page


def test_it_ends_when_the_last_page_is_closed_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE", 0.05)
    monkeypatch.setattr(server._Handler, "timeout", 1.0)  # which is no limit of a page
    with serving(until_closed=True) as (client, thread):
        assert b'"live":"server until closed"' in client.server.page
        first, second = open_page(client), open_page(client)
        first.close()
        thread.join(1.5)
        assert thread.is_alive()
        assert client.evaluate({})[0] == 200
        second.close()
        thread.join(10)
        assert not thread.is_alive()


def test_a_page_may_be_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE", 1.5)
    with serving(until_closed=True) as (client, thread):
        open_page(client).close()
        with open_page(client):
            thread.join(2.0)
            assert thread.is_alive()


def test_without_being_asked_it_counts_no_pages(client: Client) -> None:
    assert client.ask("GET", f"{client.path}open")[0] == 404
    assert client.ask("GET", "/open")[0] == 403


def raw(client: Client, request: bytes) -> bytes:
    with socket.create_connection((HOST, client.server.server_port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@contextmanager
def command(*options: str) -> Iterator[tuple[subprocess.Popen[str], list[str], int, str]]:
    """The command as a process, what it printed, its port and its path."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lite", "explore", "tanh(a*b + c)", "a=2", "b=-3", "c=10", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(7)]
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", lines[5])
        assert found, lines
        yield process, lines, int(found[1]), found[2]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_the_command_prints_an_address_and_ends_with_ctrl_c() -> None:
    with command() as (process, lines, port, path):
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert lines[0].split() == ["value", "gradient"]
    assert lines[6] == "Ctrl-C ends it.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_waits_for_no_client() -> None:
    with command() as (process, _, port, path), ExitStack() as stack:
        for begun in (b"", b"GET /", f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10)).sendall(begun)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=8)  # less than a client's time limit
    assert (process.returncode, err) == (0, "")


def test_the_command_ends_with_its_page() -> None:
    with command("--until-closed") as (process, lines, port, path):
        page = socket.create_connection((HOST, port), timeout=10)
        page.sendall(f"GET {path}open HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        assert page.recv(15).startswith(b"HTTP/1.1 200")
        page.close()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert lines[6] == "Ctrl-C ends it, or closing the page.\n"
