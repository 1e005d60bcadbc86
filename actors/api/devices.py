"""Microphones and loudspeakers of the terminal's machine, in the words of LiveKit's clients."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from actors.messages import SoundDevice, UseDevices

DeviceKind = Literal["audioinput", "audiooutput"]
"""A microphone, a loudspeaker; the browsers' words, as in LiveKit's clients."""

DIRECTION: dict[DeviceKind, Literal["input", "output"]] = {
    "audioinput": "input",
    "audiooutput": "output",
}


@dataclass(frozen=True)
class AudioDevice:
    """One microphone or loudspeaker; what is both is there as each."""

    kind: DeviceKind
    """``audioinput``: a microphone; ``audiooutput``: a loudspeaker."""
    name: str
    """As the sound system has it; several may have the same."""
    id: str
    """Of its hardware, the same after each plugging; empty: it is no card."""
    channels: int
    """As many as it has in this direction."""
    sample_rate: int
    """Hz, that it prefers; 0: not known."""
    is_default: bool
    """Of the sound system."""
    is_active: bool
    """The terminal uses it."""


def of_kind(kind: DeviceKind, found: Iterable[SoundDevice]) -> tuple[AudioDevice, ...]:
    """Those of ``found`` that can be used so."""
    is_input = DIRECTION[kind] == "input"
    return tuple(
        AudioDevice(
            kind=kind,
            name=device.name,
            id=device.id,
            channels=device.inputs if is_input else device.outputs,
            sample_rate=device.sample_rate,
            is_default=device.is_default,
            is_active=DIRECTION[kind] in device.used.split(", "),
        )
        for device in found
        if (device.inputs if is_input else device.outputs)
    )


def order(kind: DeviceKind, device: AudioDevice | str | None) -> UseDevices:
    """To use it from now on; None: as the terminal's config says."""
    wanted = (device.id or device.name) if isinstance(device, AudioDevice) else device or ""
    return UseDevices(input=wanted) if DIRECTION[kind] == "input" else UseDevices(output=wanted)
