"""A fault test of an integrator's own, as the README shows it."""

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def test_a_killed_room_costs_no_word(terminal):
    kiosk = terminal("configs/test.toml")
    kiosk.hurt("kill", "room")
    kiosk.mailbox.send("two tickets, please")
    assert kiosk.report().lost_nothing
