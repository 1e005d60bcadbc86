"""A terminal that hears coded speech and can be hurt: what the drill and the pytest plugin use."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from actors.messages import StartSession
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from actors.settings.load import load
from supervisor.commands.orders import SESSION, order

from .coded_signal import BLOCK_MS, Heard
from .ear import Ear
from .faults import SUPERVISOR, Fault, Scene, Victim
from .judge import Report, Struck, Words, judge_faults, judge_growth, judge_mail, judge_words
from .launched import Launched, LaunchFailed
from .listener import check_keys
from .looks import Looks
from .mail import Mailbox
from .plan import Blow
from .staging import Staging, staged
from .terminal import DEADLINE_S, START_DEADLINE_S, NotInTime, Status, Terminal
from .wishes import check_target, fault_named

PATIENCE_S = 60.0
MICROPHONE = "audio"
"""Who holds it."""
_CONVERSING = ("listening", "thinking", "speaking")
_HEARD_EVERY_S = 0.2
_LATE_S = 15.0
"""What a network has swallowed is said again when the server's reports tell of it."""
_LATE_EVERY_S = 1.0


class NotRecovered(Exception):
    """The terminal was not itself again in time after a fault; says what was still wrong."""

    def __init__(self, struck: Struck, patience_s: float) -> None:
        super().__init__(f"{struck.blow}, not within {patience_s:g} s: {struck.trouble}")
        self.struck = struck


def is_itself(status: Status) -> bool:
    """Everything runs, the conversation is on, and what is said is kept."""
    return bool(
        all(row["state"] == "running" for row in status["actors"].values())
        and status["session"]["connection_state"] == "connected"
        and status["agent"]["state"] in _CONVERSING
        and status["room"]
        and status["room"]["microphone_sid"]
        and status["audio"]
        and status["audio"]["recording"]
        and status["history"]
        and not status["history"]["error"]
    )


def _is_replaced(status: Status, victim: Victim) -> bool:
    row = status["actors"][victim.name]
    return bool(row["state"] == "running" and row["pid"] != victim.pid)


def _words(status: Status) -> str:
    """What is not as it should be."""
    ill = [f"{name} {row['state']}" for name, row in status["actors"].items()]
    ill = [words for words in ill if not words.endswith(" running")]
    session, agent = status["session"]["connection_state"], status["agent"]["state"]
    return ", ".join([*ill, f"session {session}", f"agent {agent}"])


class SpeakingTerminal(Terminal):
    """The terminal of a config, changed as :func:`.staging.staged` tells; running inside the
    ``with`` block.

    Args:
        config: the operator's own, or its settings.
        folder: for its history, log, speech, and what was heard; empty at first.
        environment: over that of this process, such as the server's keys.
        patience_s: for a recovery, and for the last words to be heard.

    Raises ``SettingsError`` for a config that is refused, ``CredentialsError`` when the drill is to
    be the agent and has no keys.

    """

    def __init__(
        self,
        config: Path | Settings,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        settings = config if isinstance(config, Settings) else load(config)
        check_keys(settings, {**os.environ, **(environment or {})})
        self.staging: Staging = staged(settings, folder)
        self.staging.write()
        super().__init__(self.staging.config, folder, environment=environment)
        self.ear = Ear(self.staging.heard)
        self.patience_s = patience_s
        self.struck: list[Struck] = []
        self.looks = Looks()
        self.mailbox = Mailbox(self.say, self.history)
        self._listener: Launched | None = None
        self._began: float | None = None
        self._killed: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        try:
            self._listen()
            return super().__enter__()
        except BaseException:
            self._hush()
            self._remove()
            raise

    def __exit__(self, *failure: object) -> None:
        try:
            super().__exit__(None, None, None)
        finally:
            self._hush()

    # -- the agent --------------------------------------------------------------------------------

    def _listen(self) -> None:
        """On LiveKit the drill is the agent; in the practice room the parrot writes down itself."""
        if self.staging.settings.livekit.backend == "practice":
            return
        livekit = self.staging.settings.livekit
        command = [sys.executable, "-m", "supervisor.drill.listener"]
        read, write = os.pipe()
        try:
            self._listener = Launched(
                "the drill's agent",
                [*command, livekit.room_name, self.staging.heard, livekit.url, str(write)],
                self.staging.folder / "listener.log",
                env=self.environment,
                pass_fds=(write,),
            )
            os.close(write)
            write = -1
            self._listener.read_line(read, deadline_s=DEADLINE_S)
        finally:
            os.close(read)
            if write >= 0:
                os.close(write)

    def _hush(self) -> None:
        if self._listener is not None:
            self._listener.stop()

    # -- talking ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the conversation, and with it the speech; returns when the agent listens.

        Raises ``OrderFailed`` or ``LaunchFailed``.
        """
        asyncio.run(order(self.runtime_dir, SESSION, StartSession()))
        self._began = time.monotonic()
        self.wait_until(is_itself, deadline_s=START_DEADLINE_S)

    @property
    def spoken_ms(self) -> float:
        """So much has been said, or a little more."""
        return 0.0 if self._began is None else (time.monotonic() - self._began) * 1000

    @property
    def heard(self) -> Heard:
        """What the agent has heard so far."""
        return self.ear.heard()

    def speak_for(self, seconds: float) -> None:
        """Let the speech go on, undisturbed, for so long."""
        self._running.let_live(seconds)

    def wait_until_heard(self, block: int) -> bool:
        """Wait until the agent has heard this block of the speech; False: not in time."""
        give_up = time.monotonic() + self.patience_s
        while not self.ear.has_reached(block):
            if time.monotonic() > give_up:
                return False
            self._running.let_live(_HEARD_EVERY_S)
        return True

    # -- hurting ----------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """What there is to be hit."""
        actors = self.status()["actors"]
        names = tuple(name for name, row in actors.items() if row["state"] == "running")
        sockets = tuple(sorted(path.stem for path in self.runtime_dir.glob("*.sock")))
        return Scene(self.staging.settings.livekit.backend, names, sockets)

    def kill(self) -> None:
        """As :meth:`.terminal.Terminal.kill`; the report tells of it once it is started again."""
        self._killed = (self.spoken_ms, time.monotonic())
        super().kill()

    def start(self) -> None:
        """As :meth:`.terminal.Terminal.start`; after a :meth:`kill` in a conversation it returns
        when that goes on, or raises ``NotRecovered``.
        """
        super().start()
        killed, self._killed = self._killed, None
        if killed is not None and self._began is not None:
            at_ms, killed_at = killed
            trouble = self._trouble(is_itself)
            self._note(Blow("kill", SUPERVISOR), at_ms, killed_at, trouble, deaf=True)

    def hurt(self, fault: str, target: str) -> Struck:
        """Do it, undo it, and wait until the terminal is itself again; the report tells of it.

        Args:
            fault: of :data:`.faults.FAULTS`.
            target: an actor; of ``kill`` also ``supervisor``, which is started again; of
                ``corrupt``: a socket.

        Raises ``NotRecovered`` when patience is at its end, ``UnknownFault`` for a fault or a
        target that there is not, ``OSError`` when it cannot be done, and ``LaunchFailed`` when the
        terminal ends over it.

        """
        kind = fault_named(fault)
        if why := kind.obstacle(self.scene):
            raise PermissionError(why)
        victim = self._victim(kind, target)
        if kind.replaces and target == SUPERVISOR:
            self.kill()
            self.start()
            return self.struck[-1]
        trouble = ""
        at_ms, struck_at = self.spoken_ms, time.monotonic()
        with kind.strike(victim):
            if kind.replaces:
                trouble = self._trouble(lambda now: _is_replaced(now, victim))
            else:
                self._running.let_live(kind.holds_s)
                struck_at = time.monotonic()
        trouble = trouble or self._trouble(is_itself)
        deaf = target == MICROPHONE and (kind.replaces or kind.deafens)
        return self._note(Blow(fault, target), at_ms, struck_at, trouble, deaf=deaf)

    def _note(
        self, blow: Blow, at_ms: float, struck_at: float, trouble: str, *, deaf: bool
    ) -> Struck:
        seconds = None if trouble else round(time.monotonic() - struck_at, 3)
        struck = Struck(blow, at_ms, self.spoken_ms, seconds, trouble, deaf)
        self.struck.append(struck)
        if trouble:
            raise NotRecovered(struck, self.patience_s)
        return struck

    def _victim(self, kind: Fault, target: str) -> Victim:
        actors = self.status()["actors"]
        if target in actors and actors[target]["state"] != "running":
            raise ProcessLookupError(f"{target} is {actors[target]['state']}")
        check_target(kind.name, target, kind.targets(self.scene))
        pid = actors[target]["pid"] if target in actors else self.pid
        return Victim(target, pid, self.runtime_dir, self.staging.speech)

    def _trouble(self, condition: Callable[[Status], bool]) -> str:
        """Wait for it; empty, or what is wrong."""
        try:
            self.wait_until(condition, deadline_s=self.patience_s)
        except NotInTime as late:
            return _words(late.status)
        except LaunchFailed:
            if not self._running.is_alive:
                raise
            return "it does not answer"
        return ""

    # -- judging ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Note what every process uses now."""
        with contextlib.suppress(OrderFailed):
            status = self.status()
            processes = {
                name: (row["pid"], row["uptime_s"])
                for name, row in status["actors"].items()
                if row["pid"]
            }
            processes["supervisor"] = (self.pid, status["uptime_s"])
            self.looks.take(time.monotonic(), processes)

    def report(self, not_done: Mapping[str, str] | None = None) -> Report:
        """Wait until all that was said up to now has been heard, and judge."""
        # The last blocks may be on their way while the terminal is judged.
        said = int(self.spoken_ms / BLOCK_MS)
        self.wait_until_heard(said)
        rate = self.staging.settings.audio.sample_rate
        gaps = [gap * 1000 / rate for gap in self.logged("recording resumed", "gap_samples")]
        heard, words = self._judged(said, gaps)
        return Report(
            words=words,
            mail=judge_mail(self.mailbox.sent, self.mailbox.kept(), len(self.mailbox.refused)),
            struck=tuple(self.struck),
            costs=judge_faults(heard, words, self.struck),
            not_done=dict(not_done or {}),
            growth=judge_growth(self.looks.of),
        )

    def _judged(self, said: int, gaps_ms: list[float]) -> tuple[Heard, Words]:
        """Once nothing is missing, or what is missing is late beyond hope."""
        give_up = time.monotonic() + min(_LATE_S, self.patience_s)
        while True:
            heard = self.ear.heard()
            words = judge_words(heard, said, self.struck, gaps_ms)
            if not words.lost or time.monotonic() > give_up:
                return heard, words
            self._running.let_live(_LATE_EVERY_S)
