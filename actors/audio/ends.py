"""Both ends of the sound: the devices in use, what is wrong with them, and when to change them.

PortAudio's list of devices is frozen in a process, and what hangs in a driver stays there: so a
change is always a new process, which opens the best device that there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from actors.messages import SoundDevice
from actors.settings.model import Audio

from .cure import Cures
from .deaf import WORDS, Deafness, Ear
from .devices import Device, Direction, find
from .mixer import Mixer
from .playback import RATE
from .probe import attempt, devices
from .source import (
    DeviceError,
    OnBlock,
    OnBreak,
    OnLost,
    OnPlayed,
    Sink,
    Source,
    clock,
    is_device,
    open_sink,
    open_source,
)
from .trials import until_better

T = TypeVar("T")

WELL_S = 60.0
"""Without a spell of deafness since the process began: whatever was done about one has helped."""


@dataclass(frozen=True)
class Opened:
    """One end."""

    wanted: str
    """The name in the config under which it was opened."""
    note: str
    """What an operator should know; empty: nothing."""


@dataclass(frozen=True)
class Usable:
    """A device that was asked for."""

    called: str
    """Its id or name, which stays: its index is another one tomorrow."""
    name: str
    """Under which it is used; empty: not known before."""
    is_used: bool
    """It is used already."""


class Ends:
    """``memory``: a folder in which what is known of devices that fail outlives this process."""

    def __init__(
        self,
        audio: Audio,
        memory: Path,
        mixer: Mixer,
        on_block: OnBlock,
        on_break: OnBreak,
        on_played: OnPlayed,
        on_lost: OnLost,
    ) -> None:
        """Open the best that there is. Raises :class:`.source.DeviceError` of the preferred one
        when none can be opened.
        """
        self._audio = audio
        self._inputs = Cures(
            (audio.input, *audio.input_fallbacks), memory / "microphones.json", clock()
        )
        self._outputs = Cures(
            (audio.output, *audio.output_fallbacks), memory / "loudspeakers.json", clock()
        )
        self._ear = Ear()
        self._was: Deafness | None = None
        self._is_stopped = False
        self.takes = True
        """The loudspeaker takes samples."""
        self._heard_s = 0.0
        self._may_be_well = True
        self.source: Source | None
        self.sink: Sink | None
        self.source, self._input = _first(
            self._inputs.order(),
            lambda name: open_source(name, audio, on_block, on_break, on_lost),
        )
        try:
            self.sink, self._output = _first(
                self._outputs.order(),
                lambda name: open_sink(name, audio, mixer, on_played, on_lost),
            )
        except DeviceError:
            self.close()
            raise
        self._ear.gated = self._inputs.case(self._input.wanted).gated
        self._watched = audio.deaf_detection and self.source is not None and self.source.has_noise

    @property
    def input(self) -> str:
        """Name of the microphone in use."""
        return self.source.name if self.source else self._input.wanted

    @property
    def output(self) -> str:
        """Name of the loudspeaker in use."""
        return self.sink.name if self.sink else self._output.wanted

    @property
    def deaf(self) -> Deafness | None:
        """What is wrong with the microphone in use; None: it hears."""
        if self._is_stopped:
            return "stopped"
        return self._ear.deaf if self._watched else None

    @property
    def error(self) -> str:
        """What is wrong with either, as a sentence; empty: nothing."""
        microphone = f"{self.input} {WORDS[self.deaf]}" if self.deaf else ""
        if self.source is None and self.can_be_better("input"):
            microphone = "there is no microphone at present"
        loudspeaker = "" if self.takes else f"{self.output} takes no samples: nothing is heard"
        return "; ".join(filter(None, (microphone, loudspeaker)))

    @property
    def notes(self) -> str:
        """What an operator should know of the choice."""
        return "; ".join(filter(None, (self._left_words(), self._input.note, self._output.note)))

    @property
    def xruns(self) -> tuple[int, int]:
        """Of the microphone and the loudspeaker."""
        return (
            self.source.xruns if self.source else 0,
            self.sink.xruns if self.sink else 0,
        )

    def heard(self, pcm: bytes, seconds: float) -> None:
        """A block of the microphone, as it came."""
        self._is_stopped = False
        self._heard_s += seconds
        if self._watched:
            self._ear.block(pcm, seconds)

    def stopped(self) -> bool:
        """No block comes any more; whether a new process is to be tried at once."""
        self._is_stopped = True
        return self._deaf(clock())

    def stalled(self) -> bool:
        """The loudspeaker takes no samples; whether a new process is to be tried at once."""
        self.takes = False
        return self._outputs.deaf(self._output.wanted, clock())

    def look(self) -> str:
        """Called now and then: why the process is to be renewed now; empty: it goes on."""
        was, self._was = self._was, self.deaf
        if self.deaf is None:
            if was == "silence" and self._ear.hears:
                self._inputs.came_back(self._input.wanted, clock())
                self._ear.gated = True
            elif self._may_be_well and self._heard_s >= WELL_S:
                self._may_be_well = False
                self._inputs.worked(self._input.wanted)
            return ""
        self._may_be_well = False
        return self.error if self._deaf(clock()) else ""

    async def better(self, direction: Direction) -> str:
        """Waits until a device that is preferred to the one in use is well, and says so. Never
        returns when there is none.
        """
        cures = self._inputs if direction == "input" else self._outputs
        used = self._input if direction == "input" else self._output
        rate = self._audio.sample_rate if direction == "input" else RATE

        async def tried(name: str) -> str:
            silent = not self._audio.deaf_detection
            return (
                await attempt(direction, name, rate, self._audio.block_ms, may_be_silent=silent)
            ).error

        names = cures.better(used.wanted)
        name = await until_better(names, tried, lambda tries: cures.try_after_s(names[0], tries))
        cures.well(name)
        return f"{name} can be used again instead of {used.wanted}"

    def can_be_better(self, direction: Direction) -> bool:
        """Another device would be preferred to the one in use."""
        if direction == "input":
            return bool(self._inputs.better(self._input.wanted))
        return bool(self._outputs.better(self._output.wanted))

    async def devices(self) -> tuple[SoundDevice, ...]:
        """All that there are now, in an order that does not change, with what they are used for.
        One that we hold and nobody else can look at is told from our own list.

        Raises :class:`.source.DeviceError`.
        """
        used: dict[str, list[str]] = {}
        for end, opened in (("input", self.source), ("output", self.sink)):
            if opened is not None:
                used.setdefault(opened.name, []).append(end)
        return tuple(
            SoundDevice(
                device.index,
                device.name,
                device.id,
                device.inputs,
                device.outputs,
                device.sample_rate,
                device.is_default,
                ", ".join(used.get(device.name, ())),
            )
            for device in await self._there()
        )

    async def usable(self, direction: Direction, wanted: str) -> Usable:
        """What ``wanted`` means, if it can be used now. A microphone may be silent, as one is that
        is switched off.

        Raises :class:`.source.DeviceError`.
        """
        opened, as_ = (
            (self.source, self._input) if direction == "input" else (self.sink, self._output)
        )
        called, is_used = wanted, wanted == as_.wanted
        if is_device(wanted):
            there = await self._there()
            device, _ = find(wanted, there, direction)
            called = device.id or device.name
            if opened is not None and device.name == opened.name:
                is_used = len([each for each in there if each.name == device.name]) == 1
        if is_used:  # it could not be opened a second time
            return Usable(called, opened.name if opened else wanted, is_used=True)
        rate = self._audio.sample_rate if direction == "input" else RATE
        tried = await attempt(direction, called, rate, self._audio.block_ms, may_be_silent=True)
        if tried.error:
            raise DeviceError(tried.error, "callpoint devices lists what there is")
        (self._inputs if direction == "input" else self._outputs).forget(called)
        return Usable(called, tried.name, is_used=False)

    async def _there(self) -> list[Device]:
        """What a new process sees, and of our own list what we hold and it cannot look at."""
        there = await devices()
        held = {self.sink.name} if self.sink else set()
        if self.source is not None and self.source.has_noise:
            held.add(self.source.name)
        if unseen := held - {device.name for device in there}:
            from .device import list_devices

            there += [device for device in list_devices() if device.name in unseen]
        return there

    def close(self) -> None:
        """Give the devices back."""
        for end in (self.source, getattr(self, "sink", None)):
            if end is not None:
                end.close()

    def _deaf(self, now: float) -> bool:
        return self._inputs.deaf(self._input.wanted, now)

    def _left_words(self) -> str:
        words = []
        for cures, used, why in (
            (self._inputs, self._input.wanted, "is deaf"),
            (self._outputs, self._output.wanted, "takes no samples"),
        ):
            left = [name for name in cures.better(used) if cures.case(name).left]
            if left:
                words.append(f"{', '.join(left)} {why}; {used} is used")
        return "; ".join(words)


def _first(names: Sequence[str], open_: Callable[[str], T | None]) -> tuple[T | None, Opened]:
    """The first that opens; raises what the first one of all has raised."""
    refused: dict[str, DeviceError] = {}
    for name in names:
        try:
            opened = open_(name)
        except DeviceError as error:
            refused[name] = error
            continue
        note = getattr(opened, "note", "")
        if refused:
            reasons = "; ".join(error.reason for error in refused.values())
            note = "; ".join(filter(None, (f"{reasons}; {name} is used", note)))
        return opened, Opened(name, note)
    raise next(iter(refused.values()))
