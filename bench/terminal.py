"""A `callpoint run` of its own, watched from outside as an operator's program would."""

import asyncio
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.audio.file import load
from actors.messages import AudioState, GetStatus, Message, SessionState, Status
from actors.runtime.client import Client, NotRunning
from actors.runtime.control import ask_supervisor
from supervisor.commands.sounds import DEMO

ROOT = Path(__file__).parents[1]
DEADLINE_S = 60.0
_LOOK_S = 0.002
"""Until the router can be attached to; the only thing that is polled for."""

Config = Mapping[str, Mapping[str, str | int | float]]
"""By section, which may be dotted."""

MICROPHONE = "microphone.wav"
"""In the folder of each terminal: a spoken file at the rate of the tape, so that no time and no
memory goes into resampling, which no microphone needs."""
_RATE = 48_000

PRACTICE: Config = {
    "livekit": {"backend": "practice"},
    "session": {"start": "boot"},
    "audio": {"input": f"file:{MICROPHONE}", "output": "none", "loop": True},
    "kiosk": {"port": 0},
}
"""Everything there is, embedded."""


def as_toml(config: Config) -> str:
    """Of plain values, which JSON writes as TOML does."""
    sections = (
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
        for name, keys in config.items()
    )
    return "\n\n".join(sections) + "\n"


def production_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, less what would make Python compile its sources at every start; this project first."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


@functools.cache
def _speech() -> bytes:
    return load(DEMO, _RATE)


class RunningTerminal:
    """``async with RunningTerminal(config) as terminal``: its times count from just before exec."""

    def __init__(
        self, config: Config, environ: Mapping[str, str] | None = None, *, listen: bool = True
    ) -> None:
        """``listen``: attach to the router, which a terminal that is to be idle does without."""
        self._attach = listen
        self._config = config
        self._environ = environ or {}
        self._folder = Path(tempfile.mkdtemp(prefix="callpoint-bench-"))
        self.runtime_dir = self._folder / "run"
        self.logged_s: dict[str, float] = {}
        """When an actor's first ``ready`` was read on standard error, by its name; and under
        ``terminal`` when all were."""
        self.messages: list[tuple[float, Message]] = []
        """What the router has sent us, and when."""
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        path = self._folder / "bench.toml"
        path.write_text(as_toml(self._config))
        environ = {
            "CALLPOINT_RUNTIME_DIR": str(self.runtime_dir),
            "CALLPOINT_STATE_DIR": str(self._folder / "state"),
            **self._environ,
        }
        command = [sys.executable, "-m", "supervisor", "run", str(path)]
        with wave.open(str(self._folder / MICROPHONE), "wb") as file:
            file.setparams((1, 2, _RATE, 0, "NONE", ""))
            file.writeframes(_speech())
        self._began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=production_environment(environ),
        )
        self._tasks = [asyncio.create_task(self._read_log())]
        if self._attach:
            self._tasks.append(asyncio.create_task(self._listen()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self._process.pid

    async def status(self) -> Status:
        """As ``callpoint status`` gets it."""
        answer = await ask_supervisor(self.runtime_dir, GetStatus())
        assert isinstance(answer, Status)
        return answer

    async def until(self, condition: Callable[[], Any]) -> float:
        """Wait until something that was logged or sent makes it true; seconds since exec.

        Raises TimeoutError after a minute, RuntimeError when the terminal has ended.
        """
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                if self._process.returncode is not None:
                    raise RuntimeError(f"callpoint run ended with {self._process.returncode}")
                self._news.clear()
                await self._news.wait()
        return time.monotonic() - self._began

    async def recording(self) -> float:
        """Seconds from exec until samples of a conversation were on the tape."""
        await self.until(lambda: self._first(AudioState, lambda state: state.recording))
        return self._first(AudioState, lambda state: state.recording) or 0.0

    async def conversing(self) -> float:
        """Seconds from exec until there was an agent that listens, thinks or speaks."""
        await self.until(lambda: self._first(SessionState, lambda state: state.agent.is_connected))
        return self._first(SessionState, lambda state: state.agent.is_connected) or 0.0

    async def ready(self) -> float:
        """Seconds from exec until all actors were Ready."""
        await self.until(lambda: "terminal" in self.logged_s)
        return self.logged_s["terminal"]

    def _first(self, type_: type[Message], wanted: Callable[[Any], bool]) -> float | None:
        return next(
            (at for at, said in self.messages if isinstance(said, type_) and wanted(said)), None
        )

    async def _read_log(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            now = time.monotonic() - self._began
            try:
                said = json.loads(line)
            except ValueError:
                sys.stderr.write(line.decode(errors="replace"))
                continue
            if said.get("level") in {"ERROR", "CRITICAL"}:
                sys.stderr.write(line.decode(errors="replace"))
            match said:
                case {"message": "ready", "actor": str(name)}:
                    self.logged_s.setdefault(name, now)
                case {"message": "terminal running"}:
                    self.logged_s["terminal"] = now
            self._news.set()
        self._news.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with Client(
                    self.runtime_dir,
                    subscribes=(AudioState, SessionState),
                    on_message=self._on_message,
                ):
                    await asyncio.Event().wait()
            except NotRunning:
                await asyncio.sleep(_LOOK_S)

    def _on_message(self, message: Message, _sender: str) -> None:
        self.messages.append((time.monotonic() - self._began, message))
        self._news.set()
