"""The pages in a real Chromium: what a test client cannot see."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from ...pages import ROOT
from .browser import browser as start_browser
from .browser import missing
from .conftest import HOSTILE, dashboard
from .projects import ask_for, prepare

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")

AXE = ROOT / "tools/browser/.axe/node_modules/axe-core/axe.min.js"
PAGES = {
    "grid": "/",
    "runs": "/p/1/runs",
    "failed run": "/p/1/runs/122",
    "hostile run": "/p/1/runs/123",
    "events": "/p/1/runs/122/log",
    "output": "/p/1/runs/123/log?of=load",
    "files": "/p/1/files?stage=load",
    "file": "/p/1/file?path=data/raw/ES.csv",
    "health": "/p/1/health",
    "settings": "/p/1/settings",
    "not found": "/p/1/runs/9999",
}
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with start_browser(tmp_path_factory.mktemp("profile")) as made:
        made.cdp("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        yield made


@pytest.fixture(scope="module")
def opened(browser, acting):
    """The browser, let in; with the buttons of `--actions`."""
    browser.open(acting.url)
    assert acting.token not in browser.run("return location.href")
    return browser


def loaded(browser) -> bool:
    """Whether the parts that come late are there."""
    script = "return [...document.querySelectorAll('[data-load]')].map((e) => e.innerText).join()"
    return not any(word in browser.run(script) for word in ("loading", "asking"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_fits_and_asks_nobody_else(opened, acting, name):
    """No violation, nothing on the console, no other host, no sideways scrolling."""
    opened.log()
    opened.requested()
    opened.open(acting.root + PAGES[name])
    opened.wait(lambda: loaded(opened), 60)
    assert opened.run("return violations") == []
    errors = [e for e in opened.log() if "404" not in e["message"] or name != "not found"]
    assert errors == []
    foreign = {url for url in opened.requested() if not url.startswith(acting.root + "/")}
    assert foreign == set()
    for width in (380, 800, 1600):
        opened.look(width, "light")
        wide, room = opened.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room, width
    assert "owned" not in opened.run("return document.title")
    assert opened.run("return document.querySelectorAll('main img, main script').length") == 0


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: python tools/browser/prepare.py")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, acting, scheme):
    """On no page; what is wrong is named with its element."""
    opened.look(1280, scheme)
    for name, path in PAGES.items():
        opened.open(acting.root + path)
        opened.wait(lambda: loaded(opened), 60)
        opened.run(AXE.read_text("utf-8"))
        found = opened.run_async(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations.map("
            "(v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))])))"
        )
        assert [each for each in found if each[0] in ("serious", "critical")] == [], name


def test_the_keyboard_reaches_everything_and_shows_where_it_is(opened, acting):
    opened.open(acting.root + "/p/1/runs/122")
    opened.press("Tab")
    script = "return [document.activeElement.textContent, getComputedStyle(document.activeElement)"
    skip = ["Skip to the content", "solid"]
    opened.wait(lambda: opened.run(f"{script}.outlineStyle]") == skip)  # it may still be drawn
    reached = set()
    for _ in range(60):
        opened.press("Tab")
        reached.add(opened.run("return document.activeElement.tagName"))
    assert {"A", "SUMMARY", "PRE"} <= reached


def test_only_the_verdict_is_told_to_those_who_hear_the_page(opened, acting):
    opened.open(acting.root + "/")
    assert opened.run("return document.querySelectorAll('[aria-live]').length") == 1
    for motion in ("reduce", "no-preference"):
        opened.cdp(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-reduced-motion", "value": motion}],
        )
        moving = opened.run("return document.getAnimations().length")
        assert moving == 0


def test_an_action_is_done_by_a_button(opened, acting, eventually):
    opened.open(acting.root + "/p/1/health")
    opened.run("document.querySelector('input[name=reason]').value = 'by hand'")
    opened.run("document.querySelector('form[action$=hold] button').click()")
    opened.wait(lambda: "started: pipekit hold" in opened.text())
    eventually(lambda: "by hand" in acting.ask("/").text, 60)
    opened.run("document.querySelector('form[action$=release] button').click()")
    eventually(lambda: "by hand" not in acting.ask("/").text, 60)


@pytest.fixture
def going(project, browser):
    """A project with a dashboard that is open in the browser; a run is started by the test."""
    prepare(project)
    units = "\n".join(f"U{n:02}" for n in range(300))
    ask_for(project, load=f"slow\n0.1\n{units}")
    with dashboard(project) as server:
        browser.open(server.url)
        yield project, browser, server
        browser.open("about:blank")


def test_a_run_is_followed_from_its_start_to_its_end(going):
    """The grid, the page of the run and its log, in three tabs; what is open stays open."""
    project, browser, server = going
    run = project.start("run")
    browser.wait(lambda: "U01" in browser.text(".now"), 60)
    assert browser.run("return document.querySelector('.now progress').max") == 4
    browser.open(server.root + "/p/1/runs/1")
    browser.wait(lambda: "U02" in browser.text("#run-timeline"), 60)
    first = browser.run("return document.querySelectorAll('#run-timeline tr').length")
    browser.wait(
        lambda: browser.run("return document.querySelectorAll('#run-timeline tr').length") > first
    )
    browser.open(server.root + "/p/1/runs/1/log?of=load/work.out")
    count = "return document.querySelectorAll('.log li').length"
    begun = browser.run(count)
    browser.wait(lambda: browser.run(count) >= begun + 3)
    at_end = "const l = document.querySelector('.log');"
    assert browser.run(f"{at_end} return l.scrollHeight - l.scrollTop - l.clientHeight < 60")
    browser.open(server.root + "/p/1/runs/1")
    project.pipekit("stop", "--now")
    run.communicate()
    browser.wait(lambda: "cancelled" in browser.text("#run-head"), 60)
    browser.wait(lambda: "cancelled" in browser.text("[data-say]"), 60)
    browser.open(server.root)
    browser.wait(lambda: "cancelled" in browser.text(".now"))


def test_a_hidden_tab_has_no_stream_and_catches_up(going):
    """Browsers allow six connections to a server: nine tabs would starve the tenth."""
    project, browser, server = going
    run = project.start("run")
    browser.wait(lambda: "U00" in browser.text(".now"), 60)
    first = browser._ask("GET", f"{browser._session}/window")
    for _ in range(8):
        browser.new_tab()
        browser.open(server.root + "/")
        browser.wait(lambda: "running" in browser.text(".now"))
    browser._post("window", handle=first)
    seen = browser.text(".now")
    browser.wait(lambda: browser.text(".now") != seen, 60)
    project.pipekit("stop", "--now")
    run.communicate()
    for handle in browser._ask("GET", f"{browser._session}/window/handles"):
        if handle != first:
            browser._post("window", handle=handle)
            browser._ask("DELETE", f"{browser._session}/window")
    browser._post("window", handle=first)


def test_when_the_server_stops_the_page_says_that_it_is_old(going):
    _, browser, server = going
    browser.wait(lambda: browser.text("[data-age]") == "live")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    browser.run("Date.now = ((now) => () => now() + 60000)(Date.now.bind(Date))")
    browser.wait(lambda: "no connection since" in browser.text("[data-age]"), 60)


def test_no_more_than_two_thousand_lines_are_in_the_page(going, eventually):
    """A program that prints without end; the page keeps the last lines and stays at the end."""
    project, browser, server = going
    ask_for(project, load="print\n" + "\n".join(f"line {n}" for n in range(200)))
    run = project.start("run")
    run.communicate()
    (spool,) = project.root.glob("logs/runs/*/load/work.out")
    with project.start("hold", "--for", "1h", "--reason", "x"):
        pass
    text = "".join(f"further {n}\n" for n in range(5_000))
    ask_for(project, load="slow\n0.5")
    project.pipekit("release")
    slow = project.start("run")
    journals = project.root / "logs/runs"
    eventually(lambda: len(list(journals.glob("*/load/work.out"))) == 2, 60)
    (second,) = set(project.root.glob("logs/runs/*/load/work.out")) - {spool}
    browser.open(server.root + "/p/1/runs/2/log?of=load/work.out")
    with second.open("a") as file:
        file.write(text)
    browser.wait(lambda: "further 4999" in browser.text(".log"), 60)
    assert browser.run("return document.querySelectorAll('.log li').length") <= 2_000
    project.pipekit("stop", "--now")
    slow.communicate()


def test_pages_as_files_need_no_network_and_no_script(shown, browser, tmp_path):
    file = Path(tmp_path, "run.html")
    assert shown.pipekit("show", "123", "--html", str(file)).code == 0
    browser.requested()
    browser.open(file.as_uri())
    assert "run 123" in browser.text("h1")
    assert {url for url in browser.requested() if url.startswith("http")} == set()
    assert browser.run("return document.title") == "run 123"
    assert HOSTILE.splitlines()[0] not in browser.run("return document.body.innerHTML")
