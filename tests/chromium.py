"""Debian's Chromium without a window, driven over the DevTools protocol
(chromedevtools.github.io/devtools-protocol). It reaches nothing but loopback and leaves nothing.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.children import DEADLINE_S

_FLAGS = [
    "--headless",
    "--no-sandbox",  # needed as root; it only ever loads our own page
    "--no-zygote",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-port=0",
]


class Chromium:
    """``async with Chromium(folder) as page: await page.open(url)``; one tab.

    ``folder``: an empty one for its profile.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.problems: list[str] = []
        """Exceptions and error lines of the page's scripts, and refused loads."""
        self.requests: list[str] = []
        """Addresses that the page has asked for."""

    async def __aenter__(self) -> Self:
        executable = shutil.which("chromium")
        assert executable, "apt-get install chromium"
        self._log = (self._folder.parent / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            [executable, *_FLAGS, *self._flags, f"--user-data-dir={self._folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, "HOME": str(self._folder)},
        )
        try:
            self._http = aiohttp.ClientSession()
            await self._attach()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    async def _attach(self) -> None:
        port = (await self._active_port()).split("\n")[0]
        async with self._http.get(f"http://127.0.0.1:{port}/json/list") as answer:
            (tab,) = [tab for tab in await answer.json() if tab["type"] == "page"]
        self._socket = await self._http.ws_connect(
            tab["webSocketDebuggerUrl"], max_msg_size=64 * 1024 * 1024
        )
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")

    async def _active_port(self) -> str:
        """It writes the port that it took into its profile; there is no other word of it."""
        file = self._folder / "DevToolsActivePort"
        async with asyncio.timeout(3 * DEADLINE_S):
            while not (file.exists() and (text := file.read_text())):
                assert self._process.poll() is None, "chromium ended"
                await asyncio.sleep(0.02)
        return text

    async def _end(self) -> None:
        with contextlib.suppress(AttributeError):
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            await self._socket.close()
        await self._http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        self._log.close()
        await self._none_left()

    async def _none_left(self) -> None:
        """Its children are reaped by init: wait for it."""
        async with asyncio.timeout(DEADLINE_S):
            while self.processes():
                await asyncio.sleep(0.02)

    def processes(self) -> list[int]:
        """Those of this browser, wherever they went: they all name its profile."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if entry.name.isdigit() and bytes(self._folder) in command and state != "Z":
                    found.append(int(entry.name))
        return [pid for pid in found if pid != os.getpid()]

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            answer = self._answers.pop(event.get("id"), None)
            if answer is not None and not answer.done():  # the asker may have given up
                answer.set_result(event)
            self._note(event.get("method"), event.get("params", {}))

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.problems.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.problems.append(f"{params['entry']['text']} {params['entry'].get('url')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])

    # -- what a test does with it ----------------------------------------------------------------

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol; its result."""
        number = next(self._numbers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(future, DEADLINE_S)
        assert "error" not in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result

    async def open(self, url: str) -> None:
        """Go to a page, until it has loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), DEADLINE_S)

    async def screen(self, width: int, height: int, **media: str) -> None:
        """Size in CSS pixels; ``media``: features such as ``prefers_color_scheme="dark"``."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str, expected: Any = True) -> None:
        """Wait until a JavaScript expression has a value, looking at it on each frame."""
        seen = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                while (seen := await self.evaluate(expression)) != expected:
                    await self.evaluate("new Promise((go) => requestAnimationFrame(go))")
        except TimeoutError:
            raise AssertionError(f"{expression}: {seen!r} and never {expected!r}") from None

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of what the selector finds."""
        where = await self.evaluate(
            f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="left",
                clickCount=1,
            )

    async def type(self, text: str) -> None:
        """Into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """One key, by its DOM code: ``Enter``, ``Tab``, ``Space``."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), "Space": (32, " ")}
        number, text = codes[key]
        name = " " if key == "Space" else key
        common = {"key": name, "code": key, "windowsVirtualKeyCode": number}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def screenshot(self, path: Path) -> None:
        """What is on the screen, as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
