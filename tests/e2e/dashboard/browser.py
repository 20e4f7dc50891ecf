"""A real browser for tests: Chromium, driven by chromedriver's own protocol (W3C WebDriver)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One browser with its tabs. Raises AssertionError with what the browser said."""

    def __init__(self, address: str, profile: Path) -> None:
        self._address = address
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        words += [f"--user-data-dir={profile}", "--no-first-run", "--disable-extensions"]
        words += ["--disable-background-networking", "--disable-component-update"]
        options = {
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": words},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._session = f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def _post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", f"{self._session}/{path}", body)

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def run(self, script: str, *words: Any) -> Any:
        return self._post("execute/sync", script=script, args=list(words))

    def run_async(self, script: str, *words: Any) -> Any:
        return self._post("execute/async", script=script, args=list(words))

    def cdp(self, command: str, **values: Any) -> Any:
        return self._post("goog/cdp/execute", cmd=command, params=values)

    def new_tab(self) -> str:
        handle = self._post("window/new", type="tab")["handle"]
        self._post("window", handle=handle)
        return str(handle)

    def text(self, selector: str = "body") -> str:
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.run(script, selector))

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.cdp("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def wait(self, holds: Callable[[], Any], seconds: float = 60.0) -> float:
        """Wait until something holds; returns after how many seconds it did."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < seconds, self.text()
            time.sleep(0.01)
        return time.monotonic() - begun

    def look(self, width: int, scheme: str, height: int = 900) -> None:
        """Set the size of the page, and light or dark."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def shot(self, file: Path, *, whole: bool = True) -> None:
        found = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(found["data"]))

    def log(self, kind: str = "browser") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._post("se/log", type=kind)
        return found

    def requested(self) -> set[str]:
        """The addresses that were asked for since the last call."""
        found = set()
        for entry in self.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(message["params"]["request"]["url"])
        return found

    def close(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self._ask("DELETE", self._session)


def missing() -> str:
    """Why there is no browser; empty if there is one."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(lacking)} here: apt-get install chromium chromium-driver" * bool(
        lacking
    )


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile, and its driver; both are ended."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        port = ""
        for line in driver.stdout:
            if "started successfully on port" in line:
                port = line.rsplit("port", 1)[1].strip(" .\n")
                break
        made = Browser(f"http://127.0.0.1:{port}", profile)
        try:
            yield made
        finally:
            made.close()
    finally:
        driver.terminate()
        driver.wait(20)
        driver.stdout.close()
