"""Who is answered by the dashboard, and what a browser may do with the answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import stat
import sys
import urllib.parse
from html.parser import HTMLParser

import pytest

from .conftest import EVIL_NAME, dashboard

PAGES = [
    "/",
    "/p/1/runs",
    "/p/1/runs/121",
    "/p/1/runs/122",
    "/p/1/runs/123/log",
    "/p/1/runs/123/log?of=load",
    "/p/1/files",
    "/p/1/health",
    "/p/1/settings",
    "/p/1/part/settings",
]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def test_another_address_needs_tls_in_front(shown):
    done = shown.pipekit("dashboard", "--host", "0.0.0.0", "--port", "0")
    assert done.code == 3
    assert "--origin https://NAME" in done.err


def test_it_listens_on_the_loopback_alone(server):
    """From another address of this machine, nobody is there."""
    others = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)}
    for address in others - {"127.0.0.1", "::1", "127.0.1.1"}:
        with contextlib.closing(socket.socket()) as probe, pytest.raises(ConnectionRefusedError):
            probe.connect((address, server.port))


@pytest.mark.parametrize("path", ["/", "/static/pipekit.css", "/stream", "/nothing"])
def test_a_host_that_is_not_ours_is_not_answered(server, path):
    """A name that an attacker's DNS sends to this machine (rebinding)."""
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", "localhost:1"):
        assert server.ask(path, Host=host).status == 400


def test_the_names_of_this_machine_are_answered(server):
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert server.ask("/", Host=f"{name}:{server.port}").status == 200


def test_without_the_token_nothing_is_told(server):
    for path in (*PAGES, "/stream", "/static/dashboard.js", "/?token=wrong"):
        answer = server.ask(path, token=False)
        assert (answer.status, "shown" in answer.text) == (401, False)
    wrong = server.ask("/", token=False, Cookie=f"pipekit_{server.port}={'x' * 43}")
    assert wrong.status == 401


def test_the_token_in_the_address_is_swapped_for_a_cookie(server):
    answer = server.ask(f"/p/1/files?stage=load&token={server.token}", token=False)
    assert (answer.status, answer.headers["location"]) == (303, "/p/1/files?stage=load")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert server.ask("/", token=False, Cookie=cookie.partition(";")[0]).status == 200


def test_the_redirect_never_leads_to_another_host(server):
    answer = server.ask(f"//evil.example/?token={server.token}", token=False)
    assert answer.headers["location"].startswith("/evil.example/")


def test_every_answer_has_the_headers(server):
    for path in (*PAGES, "/static/pipekit.css", "/nothing", "/p/9/runs"):
        for token in (True, False):
            headers = server.ask(path, token=token).headers
            assert headers["content-security-policy"] == POLICY
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["cross-origin-resource-policy"] == "same-origin"
    with server.stream("/stream") as stream:
        assert stream.response.headers["content-security-policy"] == POLICY


def test_no_page_has_anything_inline_or_from_elsewhere(server):
    """No style, no script, no handler, no other host: what the policy forbids is not there."""
    for path in PAGES:
        for tag, attributes in _tags(server.ask(path).text):
            names = {name for name, _ in attributes}
            assert tag not in ("style", "iframe", "object", "embed", "base"), path
            assert not {name for name in names if name == "style" or name.startswith("on")}, path
            links = [value for name, value in attributes if name in ("src", "href", "action")]
            assert [each for each in links if not each.startswith(("/", "#", "?"))] == []
            if tag == "script":
                assert links == ["/static/dashboard.js"]
    for name in ("pipekit.css", "dashboard.js"):
        assert re.findall(r"https?://|@import|url\(", server.ask(f"/static/{name}").text) == []


def _tags(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    found = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, [(name, value or "") for name, value in attrs]))

    Tags().feed(text)
    return found


def test_nothing_can_be_changed_by_default(server):
    for name in ("run", "stop", "hold", "release", "restore"):
        answer = server.ask(f"/p/1/actions/{name}", "POST", "", **_of(server))
        assert answer.status == 403
    assert server.ask("/", "PUT").status == 405
    assert server.ask("/", "DELETE").status == 405
    assert '<form method="post"' not in server.ask("/p/1/health").text


def _of(server, origin: str = "", site: str = "same-origin") -> dict[str, str]:
    return {"Origin": origin or server.root, "Sec_Fetch_Site": site}


def test_an_action_comes_from_one_of_our_own_pages(acting):
    wrong = [
        {"Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "null", "Sec_Fetch_Site": "same-origin"},
        _of(acting, site="cross-site"),
        _of(acting, site="same-site"),
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": acting.root},
        {},
    ]
    for headers in wrong:
        assert acting.ask("/p/1/actions/release", "POST", "", **headers).status == 403
    assert acting.ask("/p/1/actions/release", "POST", "", token=False, **_of(acting)).status == 401
    assert acting.ask("/p/1/actions/release").status in (404, 405)
    assert not (acting.project.root / "logs/dashboard_actions.jsonl").exists()


def test_an_action_is_the_command_in_a_process_of_its_own_and_is_noted(acting, eventually):
    body = urllib.parse.urlencode({"for": "2h", "reason": "a look; touch /tmp/x"})
    answer = acting.ask("/p/1/actions/hold", "POST", body, **_of(acting))
    assert (answer.status, answer.headers["location"]) == (303, "/p/1/health?said=hold")
    notes = acting.project.root / "logs/dashboard_actions.jsonl"
    eventually(lambda: '"exit_code": 0' in notes.read_text(), 60)
    first, last = (json.loads(line) for line in notes.read_text().splitlines())
    assert first["words"] == ["hold", "--for", "2h", "--reason", "a look; touch /tmp/x"]
    assert "from 127.0.0.1" in first["who"]
    assert (last["pid"], last["exit_code"]) == (first["pid"], 0)
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    assert "a look; touch" in acting.project.pipekit("status").out
    assert acting.ask("/p/1/actions/release", "POST", "", **_of(acting)).status == 303
    eventually(lambda: notes.read_text().count('"exit_code": 0') == 2, 60)
    assert "pipekit release" in acting.ask("/p/1/health").text


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("hold", "for=forever"),
        ("hold", "for=1h%20--force"),
        ("hold", ""),
        ("restore", "run=--all"),
        ("restore", "run=..%2F1"),
        ("purge", ""),
        ("run;ls", ""),
    ],
)
def test_what_an_action_is_not_made_for_starts_nothing(acting, name, body):
    before = len(_notes(acting))
    answer = acting.ask(f"/p/1/actions/{name}", "POST", body, **_of(acting))
    assert answer.status in (400, 404)
    assert len(_notes(acting)) == before


def _notes(server) -> list[str]:
    try:
        return (server.project.root / "logs/dashboard_actions.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pyproject.toml",
        "/static/%2e%2e%2fcommand.py",
        "/p/1/runs/121/log?of=../../pipekit.toml",
        "/p/1/runs/121/log?of=load/../../../pipekit.toml",
        "/p/1/runs/121/log/raw?of=/etc/passwd",
        "/p/1/runs/121/log/raw?of=load/..%2f..%2fx.out",
        "/p/1/file?path=pipekit.toml",
        "/p/1/file?path=../../../etc/passwd",
        "/p/1/file?path=/etc/passwd",
        "/p/1/part/file?path=pipekit.toml",
        "/p/1/part/page?name=os",
        "/p/1/part/../../x",
        "/p/1/pages/os",
        "/p/0/runs",
        "/p/2/runs",
        "/p/1/runs/99999",
    ],
)
def test_no_path_of_a_request_is_the_name_of_a_file(server, path):
    assert server.ask(path).status == 404


def test_output_of_programs_is_shown_as_text(server):
    text = server.ask("/p/1/runs/123/log?of=load").text
    assert "&lt;script&gt;document.title" in text
    assert "<img" not in text
    assert r"red \x1b[31m and \x1b]0;title\x07 and \u202egnp.exe" in text
    assert "{{ 7 * 7 }} ${7*7}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x" * 4_001 not in text


def test_names_of_files_are_shown_as_text(server):
    name = EVIL_NAME.replace("\u202e", r"\u202e").replace("<", "&lt;").replace(">", "&gt;")
    for path in ("/p/1/files?stage=load", "/p/1/runs/121", "/p/1/runs/122"):
        text = server.ask(path).text
        assert name in text
        assert "<img" not in text
    found = server.ask(f"/p/1/file?path={urllib.parse.quote(EVIL_NAME)}")
    assert (found.status, name in found.text, "<img" in found.text) == (200, True, False)


@pytest.mark.parametrize("text", ["<script>x</script>", '"><img src=x>', "'; DROP TABLE runs"])
def test_what_was_typed_is_shown_as_text(server, text):
    quoted = urllib.parse.quote(text)
    pages = (
        f"/p/1/runs/121/log?q={quoted}",
        f"/p/1/files?stage=load&q={quoted}&after={quoted}",
        f"/p/1/health?said={quoted}",
        f"/p/1/runs?before={quoted}",
    )
    for path in pages:
        answer = server.ask(path)
        assert (answer.status, text in answer.text) == (200, False)


def test_large_requests_are_refused(server, acting):
    assert server.ask(f"/?{'x' * 9_000}").status == 414
    big = acting.ask("/p/1/actions/hold", "POST", "x" * 20_000, **_of(acting))
    assert big.status == 413
    assert acting.ask("/", "POST", None, **_of(acting), Transfer_Encoding="chunked").status == 413
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.putrequest("GET", "/")
        connection.putheader("X", "y" * 70_000)
        connection.endheaders()
        assert connection.getresponse().status in (400, 431)


def test_there_are_only_so_many_streams(server):
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(server.stream("/p/1/runs/121/log/stream"))
        assert server.ask("/stream").status == 503
        assert server.ask("/").status == 200


def test_the_address_is_in_a_private_file_while_it_runs(shown):
    with dashboard(shown) as server:
        file = shown.root / ".pipekit/dashboard.url"
        assert file.read_text().strip() == server.url
        if sys.platform != "win32":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()


def test_each_start_has_a_token_of_its_own(shown, server):
    with dashboard(shown) as other:
        assert other.token != server.token
        assert other.ask("/", token=False, Authorization=f"Bearer {server.token}").status == 401


def test_a_port_in_use_is_said_in_a_sentence(shown, server):
    done = shown.pipekit("dashboard", "--port", str(server.port))
    assert done.code == 3
    assert "choose another --port" in done.err
