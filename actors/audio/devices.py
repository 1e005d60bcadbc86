"""Which device is meant: by index, by name, by the id of its hardware. Pure."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .source import DeviceError

Direction = Literal["input", "output"]


@dataclass(frozen=True)
class Device:
    """One device as the sound system shows it."""

    index: int
    """Its place in a list that is made when a process starts; another one after each plugging."""
    name: str
    inputs: int
    """Channels."""
    outputs: int
    is_default: bool
    sample_rate: int = 0
    """Hz, that it prefers; 0: not known."""
    id: str = ""
    """Of its hardware, the same after each plugging (:mod:`.identity`); empty: it has none."""

    def channels(self, direction: Direction) -> int:
        """How many it has in this direction."""
        return self.inputs if direction == "input" else self.outputs


def find(wanted: str, devices: Sequence[Device], direction: Direction) -> tuple[Device, str]:
    """The device that ``wanted`` means, and what an operator should know about that; empty:
    nothing. Of several that fit a part of a name, the one with the lowest id or index: a terminal
    is not out of service because a second one was plugged in.

    Raises :class:`DeviceError`.
    """
    fitting = [device for device in devices if device.channels(direction)]
    if not fitting:
        raise DeviceError(
            f"there is no {direction} device at all",
            f'plug one in, start the sound system, or set [audio] {direction} = "none"',
        )
    if wanted == "default":
        return next((d for d in fitting if d.is_default), fitting[0]), ""
    found = (
        [d for d in fitting if d.id and d.id == wanted]
        or [d for d in fitting if str(d.index) == wanted]
        or [d for d in fitting if d.name == wanted]
        or [d for d in fitting if wanted.lower() in d.name.lower()]
    )
    if not found:
        raise DeviceError(
            f"there is no {direction} device {wanted!r}",
            f"[audio] {direction}: {_near(wanted, fitting)}",
        )
    first = min(found, key=lambda device: (device.id or "~", device.index))
    return first, _ambiguity(wanted, found, first)


def _near(wanted: str, fitting: Sequence[Device]) -> str:
    names = [device.name for device in fitting]
    near = difflib.get_close_matches(wanted, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"


def _ambiguity(wanted: str, found: Sequence[Device], first: Device) -> str:
    if len(found) == 1:
        return ""
    how = f"name it by its id {first.id!r}" if first.id else f"name it {first.name!r}"
    return f"{len(found)} devices are called {wanted!r}; {first.name!r} is used: {how}"


def formats(device: Device, direction: Direction, sample_rate: int) -> tuple[tuple[int, int], ...]:
    """(Hz, channels) to try, best first: what is wanted, then what the card may have instead."""
    most = device.channels(direction)
    rates = dict.fromkeys((sample_rate, device.sample_rate, 48_000, 44_100, 32_000, 16_000))
    channels = dict.fromkeys(count for count in (1, 2, most) if count <= min(most, MAX_CHANNELS))
    return tuple((rate, count) for rate in rates if rate for count in channels)


MAX_CHANNELS = 8
"""Of a microphone array; a sound server says that it has 32, and takes one."""
