"""A small server for one reader on this machine: it answers only to its own address with its own token."""

import errno
import hmac
import json
import logging
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socket import socket
from typing import Any
from urllib.parse import parse_qs

from phenolens.core.errors import PhenolensError, reason_of
from phenolens.core.json import plain
from phenolens.view.answers import Answers
from phenolens.view.export import as_manifest
from phenolens.view.study import Study

ADDRESS = "127.0.0.1"

_log = logging.getLogger(__name__)

# A page of another name that resolves to this address (DNS rebinding) sends its own name. The port may be another one,
# that of a tunnel.
_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MOST_BYTES = 2**21  # the numbers of 100,000 sites take 0.7 MB
_SECONDS = 60
_FILES = {
    "": ("phenolens.view", "static/view.html", "text/html"),
    "view.js": ("phenolens.view", "static/view.js", "text/javascript"),
    "view.css": ("phenolens.view", "static/view.css", "text/css"),
    "common.js": ("phenolens.report", "templates/common.js", "text/javascript"),
    "report.css": ("phenolens.report", "templates/report.css", "text/css"),
}
_NUMBERED = re.compile(r"(column|map|site|neighbours|image)/([0-9]{1,9})")


@dataclass(frozen=True)
class _Reply:
    content: bytes
    kind: str
    status: int = 200
    kept: bool = False


class ViewServer(ThreadingHTTPServer):
    """The explorer of a study, on this machine only.

    Parameters
    ----------
    study
        The study.
    port
        The port; a free one if None.

    Raises
    ------
    PhenolensError
        If the port is in use, or not allowed.
    """

    daemon_threads = True

    def __init__(self, study: Study, port: int | None = None) -> None:
        self.token = secrets.token_urlsafe(24)
        self.answers = Answers(study)
        try:
            super().__init__((ADDRESS, port or 0), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} is in use; name another (--port), or none, and a free one is taken"
            elif error.errno == errno.EACCES:
                reason = f"port {port} is not for everyone; name one above 1023 (--port), or none"
            else:
                reason = f"port {port} cannot be opened: {reason_of(error)}; name another (--port)"
            raise PhenolensError(reason) from error

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{ADDRESS}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Say what went wrong, unless the reader only went away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "phenolens", ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(self._read)

    def do_POST(self) -> None:
        self._answer(self._export)

    def _answer(self, reply_to: Callable[[str, dict[str, list[str]]], _Reply]) -> None:
        path, _, query = self.path.partition("?")
        token, slash, name = path.removeprefix("/").partition("/")
        is_ours = _HOST.fullmatch(self.headers.get("Host", "")) is not None
        if not (hmac.compare_digest(token.encode(), self.server.token.encode()) and is_ours):
            reply = _text(403, "open the address that `phenolens view` printed, with its token")
        elif not slash:
            reply = _text(404, "the address ends with a slash")
        else:
            try:
                reply = reply_to(name, parse_qs(query, max_num_fields=100))
            except LookupError:
                reply = _text(404, "there is no such thing")
            except ValueError:
                reply = _text(400, "this cannot be asked")
            except Exception as error:  # one answer that fails must not end the page
                _log.warning("%s: %s", name, reason_of(error))
                reply = _text(500, f"this failed: {reason_of(error)}")
        self._send(reply)

    def _read(self, name: str, query: dict[str, list[str]]) -> _Reply:
        answers = self.server.answers
        if name in _FILES:
            package, file, kind = _FILES[name]
            return _Reply(files(package).joinpath(file).read_bytes(), f"{kind}; charset=utf-8")
        if name == "start":
            return _json(answers.start())
        match = _NUMBERED.fullmatch(name)
        if match is None:
            raise LookupError(name)
        what, number = match[1], int(match[2])
        if what == "image":
            return _Reply(answers.picture(number, query), "image/png", kept=True)
        ask: dict[str, Callable[[int], Any]] = {
            "column": answers.column,
            "map": answers.map,
            "site": answers.site,
            "neighbours": answers.neighbours,
        }
        return _json(ask[what](number))

    def _export(self, name: str, query: dict[str, list[str]]) -> _Reply:
        if name != "export":
            raise LookupError(name)
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= _MOST_BYTES:
            raise ValueError("too long")
        chosen = [int(number) for number in self.rfile.read(length).decode("ascii").split(",")]
        study = self.server.answers.study
        if not all(0 <= number < len(study.sites) for number in chosen):
            raise ValueError("no such site")
        return _Reply(as_manifest(study, chosen).encode(), "text/csv; charset=utf-8")

    def _send(self, reply: _Reply) -> None:
        # The body of a request that was not read would be taken for the next one.
        self.close_connection = self.close_connection or (reply.status != 200 and self.command == "POST")
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.content)))
        self.send_header("Cache-Control", "private, max-age=600" if reply.kept else "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests, whose addresses hold the token, and of connections that have ended."""


def _text(status: int, words: str) -> _Reply:
    return _Reply(f"{words}\n".encode(), "text/plain; charset=utf-8", status)


def _json(answer: Any) -> _Reply:
    return _Reply(json.dumps(plain(answer), allow_nan=False).encode(), "application/json")
