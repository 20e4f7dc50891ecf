"""Who may ask, and what a browser may do with the answer: one layer around every request.

A page that anybody opens in the same browser can send requests to this machine, and by DNS
rebinding even read the answers. So the host is checked on each request, streams and files too, and
nothing is told without the token that `pipekit dashboard` has printed.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_LONGEST_TARGET = 8_000  # bytes of a path with its query
_LARGEST_HEAD = 32_000  # bytes of all headers
_LARGEST_BODY = 16_000  # bytes

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_ASK = (
    "This page needs the token: open the address that `pipekit dashboard` has printed. It is also "
    "in the file that it has named.\n"
)


class Access(NamedTuple):
    """Who is let in. `port`: of the server. `origin`: where TLS ends, or empty.

    `token`: the secret. `actions`: whether a POST may be answered at all.
    """

    port: int
    token: str
    origin: str = ""
    actions: bool = False

    @classmethod
    def new(cls, port: int, *, origin: str = "", actions: bool = False) -> Access:
        """With a new token."""
        return cls(port, secrets.token_urlsafe(32), origin, actions)

    @property
    def cookie(self) -> str:
        """The name of the cookie; browsers share cookies between the ports of a host."""
        return f"pipekit_{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The values of `Host` that are answered."""
        if self.origin:
            return frozenset({urlsplit(self.origin).netloc.lower()})
        return frozenset(f"{name}:{self.port}" for name in _LOCAL)

    @property
    def origins(self) -> frozenset[str]:
        """The values of `Origin` of our own pages."""
        if self.origin:
            return frozenset({self.origin.lower()})
        return frozenset(f"http://{host}" for host in self.hosts)

    def is_token(self, text: str) -> bool:
        """Whether this is the token; takes as long for any wrong one."""
        return hmac.compare_digest(text.encode(), self.token.encode())


class Guard:
    """ASGI middleware: refuses what may not be answered, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return  # no websocket, and uvicorn runs without lifespan

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let through; None for one that is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._access.hosts:
            return PlainTextResponse("this host name is not served here\n", 400)
        if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_TARGET:
            return PlainTextResponse("the address is too long\n", 414)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _LARGEST_HEAD:
            return PlainTextResponse("the header of the request is too large\n", 431)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("method not allowed\n", 405)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > _LARGEST_BODY:
            return PlainTextResponse("the request is too large\n", 413)
        return self._stranger(scope, headers) or self._wrong_post(scope, headers)

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to somebody without a cookie: a cookie, if the address has the token."""
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        given = dict(query).get("token")
        if given is not None and scope["method"] == "GET" and self._access.is_token(given):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            path = "/" + scope["path"].lstrip("/\\")  # never another host
            answer = RedirectResponse(f"{path}{'?' if rest else ''}{rest}", 303)
            answer.set_cookie(
                self._access.cookie,
                self._access.token,
                httponly=True,
                samesite="strict",
                secure=bool(self._access.origin),
            )
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._access.is_token(_cookie(headers, self._access.cookie) or bearer):
            return None
        return PlainTextResponse(_ASK, 401)

    def _wrong_post(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a POST that is not from one of our own pages, or where none is answered."""
        if scope["method"] != "POST":
            return None
        if not self._access.actions:
            return PlainTextResponse("started without --actions: nothing can be changed\n", 403)
        same_site = headers.get("sec-fetch-site") == "same-origin"
        if not same_site or headers.get("origin", "").lower() not in self._access.origins:
            return PlainTextResponse("this request is from another page\n", 403)
        return None


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""
