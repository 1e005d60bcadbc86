"""Which device is meant, the id of its hardware, and in which format it is opened."""

from pathlib import Path

import pytest

from actors.audio.devices import Device, find, formats
from actors.audio.identity import hardware_ids
from actors.audio.source import DeviceError

pytestmark = pytest.mark.unit

ONE = "HD Webcam: USB Audio (hw:1,0)"
OTHER = "HD Webcam: USB Audio (hw:2,0)"
DEVICES = [
    Device(0, ONE, 1, 0, False, 44_100, "usb:046d:0825@1-1.4"),
    Device(1, OTHER, 1, 0, False, 44_100, "usb:046d:0825@1-1.3"),
    Device(2, "HDA Intel: ALC (hw:0,0)", 2, 2, False, 44_100, "pci:0000:00:1f.3"),
    Device(3, "HDMI (hw:0,3)", 0, 8, False, 48_000, "pci:0000:00:1f.3/3"),
    Device(4, "default", 32, 32, True, 44_100),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("default", 4),
        ("1", 1),
        (ONE, 0),
        ("usb:046d:0825@1-1.3", 1),
        ("usb:046d:0825@1-1.4", 0),
        ("hda intel", 2),
    ],
)
def test_a_device_is_found_by_name_index_and_id(wanted: str, index: int) -> None:
    found, note = find(wanted, DEVICES, "input")
    assert (found.index, note) == (index, "")


def test_of_two_with_one_name_the_lowest_id_is_used_and_said() -> None:
    """Also when they are counted the other way round: it is the same one each time."""
    found, note = find("HD Webcam", DEVICES, "input")
    assert found.name == OTHER
    assert note == (
        f"2 devices are called 'HD Webcam'; {OTHER!r} is used:"
        " name it by its id 'usb:046d:0825@1-1.3'"
    )
    assert find("HD Webcam", DEVICES[::-1], "input") == (found, note)


@pytest.mark.parametrize(
    ("wanted", "devices", "reason", "remedy"),
    [
        ("hdmi", DEVICES, "there is no input device 'hdmi'", "[audio] input: there are: "),
        ("defalt", DEVICES, "there is no input device 'defalt'", "did you mean 'default'?"),
        ("default", DEVICES[3:4], "there is no input device at all", 'input = "none"'),
        ("default", [], "there is no input device at all", "plug one in"),
    ],
)
def test_what_is_not_there_is_told_with_a_remedy(
    wanted: str, devices: list[Device], reason: str, remedy: str
) -> None:
    with pytest.raises(DeviceError) as refused:
        find(wanted, devices, "input")
    assert refused.value.reason == reason
    assert remedy in refused.value.remedy


def test_what_is_wanted_is_tried_before_what_the_card_may_have_instead() -> None:
    assert formats(DEVICES[0], "input", 48_000)[:2] == ((48_000, 1), (44_100, 1))
    assert formats(DEVICES[2], "input", 16_000)[:4] == (
        (16_000, 1),
        (16_000, 2),
        (44_100, 1),
        (44_100, 2),
    )
    assert (48_000, 8) in formats(DEVICES[3], "output", 48_000)
    assert {channels for _, channels in formats(DEVICES[4], "input", 48_000)} == {1, 2}


# -- the id of the hardware ------------------------------------------------------------------------


def card(sysfs: Path, number: int, port: str, **usb: str) -> None:
    """A USB sound card as the kernel shows it: the card hangs at an interface of the device."""
    device = sysfs / "devices" / port
    interface = device / f"{port}:1.0"
    interface.mkdir(parents=True)
    for name, value in usb.items():
        (device / name).write_text(f"{value}\n")
    shown = sysfs / f"card{number}"
    shown.mkdir()
    (shown / "device").symlink_to(interface)


def test_a_usb_card_is_known_by_its_serial_wherever_it_is_plugged_in(tmp_path: Path) -> None:
    card(tmp_path, 1, "1-1.4", idVendor="0d8c", idProduct="0014", serial="A7")
    card(tmp_path, 2, "1-1.3", idVendor="0d8c", idProduct="0014", serial="B8")
    assert hardware_ids(["Mic (hw:2,0)", "Mic (hw:1,1)", "pulse"], tmp_path) == [
        "usb:0d8c:0014:B8",
        "usb:0d8c:0014:A7/1",
        "",
    ]


def test_cards_without_a_serial_or_with_the_same_are_known_by_their_port(tmp_path: Path) -> None:
    card(tmp_path, 1, "1-1.4", idVendor="0d8c", idProduct="0014", serial="0001")
    card(tmp_path, 2, "1-1.3", idVendor="0d8c", idProduct="0014", serial="0001")
    card(tmp_path, 3, "1-1.2", idVendor="046d", idProduct="0825")
    names = ["Mic (hw:1,0)", "Mic (hw:2,0)", "Cam (hw:3,0)"]
    assert hardware_ids(names, tmp_path) == [
        "usb:0d8c:0014@1-1.4",
        "usb:0d8c:0014@1-1.3",
        "usb:046d:0825@1-1.2",
    ]


def test_a_card_on_the_board_is_known_by_its_bus_and_one_that_is_gone_by_nothing(
    tmp_path: Path,
) -> None:
    device = tmp_path / "devices" / "0000:00:1f.3"
    device.mkdir(parents=True)
    (tmp_path / "bus" / "pci").mkdir(parents=True)
    (device / "subsystem").symlink_to(tmp_path / "bus" / "pci")
    (tmp_path / "card0").mkdir()
    (tmp_path / "card0" / "device").symlink_to(device)
    assert hardware_ids(["HDA (hw:0,0)", "Gone (hw:7,0)"], tmp_path) == ["pci:0000:00:1f.3", ""]
