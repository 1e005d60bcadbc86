"""Whether terminal and agent encrypt alike."""

import pytest

from actors.messages import Participant, Track
from actors.runtime.errors import OrderFailed
from actors.session.agent import ON_BEHALF_ATTRIBUTE
from actors.session.cipher import ANOTHER_KEY, NO_KEY, NOT_ENCRYPTED, Cipher

pytestmark = pytest.mark.unit


def _agent(
    *, encrypted: bool = True, undecipherable: bool = False, voice: bool = True
) -> Participant:
    tracks = (Track("TR", "audio", "microphone", True, encrypted=encrypted),) if voice else ()
    return Participant("a", "PA", "agent", True, {}, tracks, undecipherable=undecipherable)


def _avatar(**more: bool) -> Participant:
    other = _agent(**more)
    attributes = {ON_BEHALF_ATTRIBUTE: "a"}
    return Participant(
        "w", "PA_w", "agent", True, attributes, other.tracks, undecipherable=other.undecipherable
    )


@pytest.mark.parametrize(
    ("has_key", "enabled", "people", "told"),
    [
        (True, True, (), ""),
        (True, True, (_agent(),), ""),
        (True, True, (_agent(undecipherable=True),), ANOTHER_KEY),
        (True, False, (_agent(undecipherable=True),), ""),
        (True, True, (_agent(encrypted=False),), NOT_ENCRYPTED),
        (True, True, (_agent(encrypted=False, undecipherable=True),), NOT_ENCRYPTED),
        (True, False, (_agent(encrypted=False),), ""),
        (True, True, (_agent(voice=False),), ""),
        (False, False, (_agent(encrypted=False),), ""),
        (False, True, (_agent(encrypted=False),), ""),
        (False, False, (_agent(),), NO_KEY),
        (True, True, (_agent(voice=False), _avatar(undecipherable=True)), ANOTHER_KEY),
        (True, True, (_agent(voice=False), _avatar(encrypted=False)), NOT_ENCRYPTED),
        (True, True, (_agent(), _avatar(encrypted=False)), ""),
    ],
)
def test_what_is_wrong(
    has_key: bool, enabled: bool, people: tuple[Participant, ...], told: str
) -> None:
    assert Cipher(has_key=has_key, enabled=enabled).news(people) == told


def test_it_is_told_once_and_again_when_it_has_come_again() -> None:
    cipher = Cipher(has_key=True, enabled=True)
    wrong, right = (_agent(undecipherable=True),), (_agent(),)
    assert [cipher.news(people) for people in (wrong, wrong, right, wrong)] == [
        ANOTHER_KEY,
        "",
        "",
        ANOTHER_KEY,
    ]
    cipher.begin()
    assert cipher.news(wrong) == ANOTHER_KEY


def test_without_a_key_it_cannot_be_switched_on() -> None:
    cipher = Cipher(has_key=False, enabled=True)
    assert not cipher.enabled
    with pytest.raises(OrderFailed, match="no key"):
        cipher.set(enabled=True)
    cipher.set(enabled=False)
    keyed = Cipher(has_key=True, enabled=True)
    keyed.set(enabled=False)
    assert not keyed.enabled
