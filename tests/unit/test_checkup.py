"""What ``callpoint devices test`` finds wrong, and what it does not."""

import numpy as np
import pytest

from actors.audio.checkup import BEEP_DBFS, beep, check

pytestmark = pytest.mark.unit

RATE = 16_000
SECONDS = 2.0
SIZE = round(RATE * SECONDS)


def pcm(wave: np.ndarray) -> bytes:
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


def noise(dbfs: float) -> np.ndarray:
    return 32768 * 10 ** (dbfs / 20) * np.random.default_rng(1).standard_normal(SIZE)


def words(dbfs: float) -> np.ndarray:
    """Half the time."""
    time = np.arange(SIZE) / RATE
    return 32768 * 10 ** (dbfs / 20) * 1.41 * np.sin(2 * np.pi * 300 * time) * (time % 1 < 0.5)


def wrong(said: bytes, echo: bytes = b"", *, cancels: bool = False, speaker: bool = False) -> str:
    found = check(said, echo, RATE, seconds=SECONDS, cancels=cancels, has_speaker=speaker)
    return "\n".join(found.wrong)


GOOD = pcm(words(-20) + noise(-60))


def test_nothing_is_wrong_with_a_voice_at_a_kiosk() -> None:
    found = check(GOOD, beep(RATE), RATE, seconds=SECONDS, cancels=True, has_speaker=True)
    assert found.wrong == ()
    assert found.speech_dbfs == pytest.approx(-20, abs=1)
    assert found.noise_dbfs == pytest.approx(-60, abs=1)
    assert found.peak_dbfs == pytest.approx(-17, abs=1)
    assert found.beep_dbfs == pytest.approx(BEEP_DBFS, abs=0.5)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "gave 0.0 s of sound in 2.0 s"),
        (GOOD[: len(GOOD) // 2], "gave 1.0 s of sound in 2.0 s"),
        (bytes(2 * SIZE), "only zeros"),
        (pcm(np.full(SIZE, 77)), "the same value all the time"),
        (pcm(words(-1) * 4), "clips"),
        (pcm(noise(-60)), "nobody was heard"),
        (pcm(words(-20) + noise(-30)), "also while nobody speaks"),
        (pcm(words(-38) + noise(-42)), "hardly louder than the noise"),
        (pcm(words(-20) + noise(-60) + 2000), "offset"),
    ],
)
def test_what_is_wrong_with_a_microphone_is_said(said: bytes, sentence: str) -> None:
    assert sentence in wrong(said)


@pytest.mark.parametrize(
    ("echo", "cancels", "sentence"),
    [
        (beep(RATE), False, "the agent hears itself"),
        (beep(RATE), True, ""),
        (pcm(noise(-60)), False, "the beep was not heard"),
        (b"", False, "the beep was not heard"),
    ],
)
def test_the_loudspeaker_is_judged_by_its_beep(echo: bytes, cancels: bool, sentence: str) -> None:
    found = wrong(GOOD, echo, cancels=cancels, speaker=True)
    assert sentence in found
    assert bool(found) == bool(sentence)
