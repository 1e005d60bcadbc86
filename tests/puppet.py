"""An actor whose faults are orders: the one puppet of all supervision tests."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from typing import NoReturn

from actors.messages import Custom, Message
from actors.runtime.actor import Actor
from actors.runtime.errors import OrderFailed, StartError

IMPORTED_IN = os.getpid()


class Puppet(Actor):
    """Options: ``start`` (``ok``, ``fail``, ``hang``, ``spin``, ``exit``, ``fail-again``,
    ``hang-again``, ``fail-until`` a file ``mended`` is in the runtime directory, ``die-ready``
    after so many ``turns`` of the loop, ``hang-ready`` before the first heartbeat),
    ``handles_within_s``.
    """

    async def on_start(self) -> None:
        self._health, self._quiet, self._refuses = "ok", True, ""
        self._hoard: list[bytearray] = []
        self.handles_within_s = self.options.get("handles_within_s", 60.0)  # type: ignore[misc]
        match self.options.get("start", "ok"):
            case "fail":
                raise StartError("told to fail", "tell it otherwise")
            case "fail-again" if self.incarnation == 2:
                raise StartError("told to fail the second time")
            case "fail-until" if not (self.runtime_dir / "mended").exists():
                raise StartError("told to fail", "make a file: mended")
            case "hang":
                await asyncio.Event().wait()
            case "hang-again" if self.incarnation == 2:
                await asyncio.Event().wait()
            case "spin":
                while True:
                    pass
            case "exit":
                os._exit(9)
            case "die-ready":
                self.spawn(_die(self.options["turns"]), "dying")

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case Custom(topic="incarnation"):
                return Custom("incarnation", {"number": self.incarnation, "pid": os.getpid()})
            case Custom(topic="environ", payload={"name": str(name)}):
                return Custom("environ", {"value": os.environ.get(name)})
            case Custom(topic="imported-in"):
                return Custom("imported-in", {"pid": IMPORTED_IN})
            case Custom(topic="raise"):
                raise RuntimeError("told to")
            case Custom(topic="exit", payload={"code": int(code)}):
                os._exit(code)
            case Custom(topic="signal", payload={"number": int(number)}):
                os.kill(os.getpid(), number)
            case Custom(topic="end"):
                self.end()
            case Custom(topic="ignore-term"):
                asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                self.spawn(_block(), "blocked")
            case Custom(topic="hang", payload={"how": "block"}):
                self.spawn(_block(), "blocked")
            case Custom(topic="hang", payload={"how": "spin"}):
                while True:
                    pass
            case Custom(topic="hang", payload={"how": "deadlock"}):
                lock = threading.Lock()
                lock.acquire()
                lock.acquire()
            case Custom(topic="hang", payload={"how": "await"}):
                await asyncio.Event().wait()
            case Custom(topic="unwell", payload={"health": str(health)}):
                self._health = health
            case Custom(topic="grow", payload={"mib": int(mib), "quiet": bool(quiet)}):
                self._quiet = quiet
                self._hoard.append(bytearray(os.urandom(1)) * (mib << 20))
            case Custom(topic="burn"):
                threading.Thread(target=_burn, daemon=True).start()
            case Custom(topic="refuse", payload={"reason": str(reason)}):
                self._refuses = reason
            case Custom(topic="work") if self._refuses:
                raise OrderFailed("unavailable", self._refuses)
            case Custom(topic="quiet"):
                self._quiet = True
            case Custom(topic="write", payload={"text": str(text), "times": int(times)}):
                for _ in range(times):
                    os.write(2, text.encode())
            case Custom(topic="hide"):
                told = subprocess.check_output([sys.executable, "-S", "-c", HIDES])
                return Custom("hidden", {"pid": int(told)})
            case Custom(topic="family"):
                return Custom("family", {"pids": _have_a_family()})
        return None

    def health(self) -> str:
        if self.options.get("start") == "hang-ready":
            time.sleep(3600)  # the fault itself
        return self._health

    def quiet(self) -> bool:
        return self._quiet


class Dispensable(Puppet):
    """One that the terminal can do without."""

    essential = False


async def _block() -> NoReturn:
    """A loop that gives nobody else a turn: no stop order is ever read."""
    await asyncio.sleep(0)
    while True:
        time.sleep(3600)  # the fault itself


def _burn() -> NoReturn:
    while True:
        pass


async def _die(turns: int) -> NoReturn:
    for _ in range(turns):
        await asyncio.sleep(0)
    os._exit(7)


_FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid()
if os.fork():
    os._exit(0) if os.fork() else None
os.write(1, f"{os.getpid()} ".encode())
time.sleep(3600)
"""
"""Forks two daemons in a session of their own, which ignore SIGTERM; nobody waits for them."""


HIDES = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.write(1, b"%d\\n" % os.getpid())
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os.execve("/bin/sleep", ["sleep", "3600"], {})
"""
"""A daemon in a session of its own, of another user, with nothing in its environment; tells its
pid. To be run by root."""


def _have_a_family() -> list[int]:
    """A child, a child in a session of its own, and two daemons; returns their pids."""
    sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
    plain = subprocess.Popen(sleep)
    session = subprocess.Popen(sleep, start_new_session=True)
    daemons = subprocess.Popen([sys.executable, "-c", _FAMILY], stdout=subprocess.PIPE)
    assert daemons.stdout is not None
    told = b""
    while told.count(b" ") < 2:
        told += os.read(daemons.stdout.fileno(), 100)
    return [plain.pid, session.pid, *map(int, told.split())]
