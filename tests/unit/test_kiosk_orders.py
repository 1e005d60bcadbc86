"""What a page may ask for, and who may ask."""

import errno
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kiosk import assets
from actors.kiosk.address import LastPort, cannot_listen, page_address
from actors.kiosk.guard import Guard, is_loopback
from actors.kiosk.orders import (
    MAX_ORDER_BYTES,
    MAX_TEXT,
    Allowance,
    WrongOrder,
    for_session,
    read_order,
)
from actors.messages import DismissError, EndSession, Message, Say, SetMuted, StartSession

pytestmark = pytest.mark.unit

UUID = "0b1fd7a2-7a55-4d4c-9a7e-0242ac120002"


# -- orders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"type": "say", "id": 1, "text": " hi ", "message": UUID}, Say("hi", UUID)),
        ({"type": "start", "id": 2}, StartSession()),
        ({"type": "end", "id": 2**53}, EndSession()),
        ({"type": "mute", "id": 0, "muted": True}, SetMuted(True)),
        ({"type": "dismiss", "id": 5}, DismissError()),
    ],
)
def test_an_order_of_the_page_becomes_one_to_the_session(order, message: Message) -> None:
    read = read_order(json.dumps(order))
    assert read.id == order["id"]
    assert for_session(read) == message


WRONG = [
    ("", None),
    ("nonsense", None),
    ("null", None),
    ("[]", None),
    ('{"type": "start"}', None),
    ('{"type": "start", "id": "7"}', None),
    ('{"type": "start", "id": -1}', None),
    ('{"type": "start", "id": 1e300}', None),
    ('{"type": "shutdown", "id": 7}', 7),
    ('{"type": "start", "id": 7, "and": "more"}', 7),
    ('{"type": "mute", "id": 7}', 7),
    ('{"type": "mute", "id": 7, "muted": 1}', 7),
    (json.dumps({"type": "say", "id": 7, "text": "", "message": UUID}), 7),
    (json.dumps({"type": "say", "id": 7, "text": " \n", "message": UUID}), 7),
    (json.dumps({"type": "say", "id": 7, "text": "x" * (MAX_TEXT + 1), "message": UUID}), 7),
    (json.dumps({"type": "say", "id": 7, "text": "hi", "message": "mine"}), 7),
    (json.dumps({"type": "say", "id": 7, "text": "hi"}), 7),
    ("[" * 10_000, None),
]


@pytest.mark.parametrize(("text", "order_id"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_order_is_refused_under_its_number(text: str, order_id: int | None) -> None:
    with pytest.raises(WrongOrder) as refused:
        read_order(text)
    assert refused.value.id == order_id
    assert refused.value.reason


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_an_order_or_refused(text: str) -> None:
    with pytest.raises(WrongOrder):
        read_order(text)


def test_the_longest_text_fits_into_an_order() -> None:
    order = {"type": "say", "id": 2**53, "text": "🎙" * MAX_TEXT, "message": UUID}
    text = json.dumps(order, ensure_ascii=False)
    assert read_order(text)
    assert len(text.encode()) <= MAX_ORDER_BYTES


# -- how often -------------------------------------------------------------------------------------


def test_some_orders_at_once_then_so_many_a_second() -> None:
    allowance = Allowance(100.0, per_second=2.0, burst=3.0)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(100.5) for _ in range(2)] == [True, False]
    assert [allowance.take(1000.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 3), max_size=60))
def test_over_any_time_no_more_than_burst_and_rate(waits: list[float]) -> None:
    allowance = Allowance(0.0, per_second=2.0, burst=3.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += allowance.take(now)
    assert taken <= 3 + 2 * now + 1e-6


# -- who -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8040", "localhost:8040", "[::1]:8040", "10.0.0.9:8040"]
)
def test_an_address_or_our_own_name_is_admitted(host: str) -> None:
    assert Guard("127.0.0.1", [8040]).admits_host(host)


def test_a_configured_name_is_admitted() -> None:
    assert Guard("kiosk.local", [80]).admits_host("kiosk.local")
    assert Guard("kiosk.local", [8040]).admits_host("kiosk.local:8040")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "rebound.example:8040",
        "127.0.0.1",
        "127.0.0.1:8041",
        "localhost.example:8040",
        "127.0.0.1.example:8040",
        "user@127.0.0.1:8040",
        "127.0.0.1:8040/x",
        "127.0.0.1:port",
        "[::1:8040",
    ],
)
def test_any_other_host_is_not(host: str | None) -> None:
    assert not Guard("127.0.0.1", [8040]).admits_host(host)


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("http://127.0.0.1:8040", True),
        (None, False),
        ("null", False),
        ("http://127.0.0.1:8041", False),
        ("https://127.0.0.1:8040", False),
        ("http://evil.example", False),
        ("http://127.0.0.1:8040.evil.example", False),
    ],
)
def test_only_the_pages_own_origin_may_open_the_socket(origin: str | None, admitted: bool) -> None:
    assert Guard("127.0.0.1", [8040]).admits_origin(origin, "127.0.0.1:8040") is admitted


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)],
)
def test_what_keeps_the_network_out(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


# -- where -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8040/"),
        ("0.0.0.0", "http://127.0.0.1:8040/"),
        ("::", "http://[::1]:8040/"),
        ("::1", "http://[::1]:8040/"),
        ("kiosk.local", "http://kiosk.local:8040/"),
    ],
)
def test_the_address_can_be_typed_into_a_browser(host: str, address: str) -> None:
    assert page_address(host, 8040) == address


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EADDRINUSE, ""),
        OSError(errno.EADDRNOTAVAIL, ""),
        PermissionError(errno.EACCES, ""),
        OSError(errno.ENOBUFS, ""),
        socket.gaierror(-2, ""),
    ],
)
def test_what_is_wrong_with_the_address_has_a_remedy(error: OSError) -> None:
    failed = cannot_listen("host", 8040, error)
    assert "host port 8040" in failed.reason
    assert "[kiosk]" in failed.remedy


def test_the_last_port_is_kept(tmp_path: Path) -> None:
    assert LastPort(tmp_path).read() == 0
    LastPort(tmp_path).write(8123)
    assert LastPort(tmp_path).read() == 8123
    (tmp_path / "kiosk.port").write_text("many")
    assert LastPort(tmp_path).read() == 0
    LastPort(tmp_path / "gone").write(1)
    assert LastPort(tmp_path / "gone").read() == 0


# -- the page's files ------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_that_is_not_served() -> None:
    files = assets.load()
    assert {"/", "/app.js", "/style.css", "/icon.svg"} <= set(files)
    html = files["/"].content.decode()
    for name in ("app.js", "style.css", "icon.svg"):
        assert f'"{name}"' in html


def test_there_is_no_markup_made_from_words() -> None:
    """What anyone says reaches the document through textContent only."""
    for path, asset in assets.load().items():
        text = asset.content.decode()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, path


def test_another_content_is_another_version() -> None:
    files = assets.load()
    changed = {**files, "/app.js": assets.Asset(b"other", "text/javascript")}
    assert assets.version(files) == assets.version(dict(reversed(files.items())))
    assert assets.version(files) != assets.version(changed)
