"""The id of a sound card that is the same after each start and each plugging.

ALSA counts cards in the order in which it meets them. What stays is where a card is plugged in,
and, of a good USB device, its serial number.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SYSFS = Path("/sys/class/sound")
_HARDWARE = re.compile(r"\(hw:(\d+),(\d+)\)")
"""In PortAudio's name of a device that is a card itself, not a sound server."""


def hardware_ids(names: Sequence[str], sysfs: Path = SYSFS) -> list[str]:
    """Ids of the devices with these PortAudio names; empty for what is no card.

    ``usb:VENDOR:PRODUCT:SERIAL``, without a serial (or with one that several have)
    ``usb:VENDOR:PRODUCT@PORT``, else ``BUS:ADDRESS``; then ``/N`` for a card's further devices.
    """
    by_serial = [_of(name, sysfs, serial=True) for name in names]
    often = Counter(by_serial)
    return [
        _of(name, sysfs, serial=False) if often[found] > 1 else found
        for name, found in zip(names, by_serial, strict=True)
    ]


def _of(name: str, sysfs: Path, *, serial: bool) -> str:
    hardware = _HARDWARE.search(name)
    if hardware is None:
        return ""
    card, number = hardware.groups()
    try:
        device = (sysfs / f"card{card}" / "device").resolve(strict=True)
    except OSError:
        return ""
    return _usb(device, serial=serial) + ("" if number == "0" else f"/{number}")


def _usb(device: Path, *, serial: bool) -> str:
    for place in (device, *device.parents[:2]):  # the sound interface is a child of the device
        vendor = _read(place / "idVendor")
        if not vendor:
            continue
        own = _read(place / "serial") if serial else ""
        where = f":{own}" if own else f"@{place.name}"
        return f"usb:{vendor}:{_read(place / 'idProduct')}{where}"
    bus = device / "subsystem"
    return f"{bus.resolve().name if bus.exists() else 'card'}:{device.name}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
