"""Echo, noise and gain over a virtual loop: loudspeaker, room, microphone, all in numbers."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from livekit import rtc

from actors.audio.far_end import LATE_FRAMES, WINDOW_FRAMES, FarEnd
from actors.audio.file import load
from actors.audio.playback import RATE as FAR_RATE
from actors.audio.processing import FRAME_MS, Processing
from supervisor.commands.sounds import DEMO
from tests.speech import Signal, speech_like

pytestmark = pytest.mark.unit

rtc.AudioProcessingModule()  # the client's own threads and descriptors stay as long as the process

CONVERGED_S = 4
ECHO_GAIN = 0.3


def spoken(seconds: float, rate: int) -> Signal:
    """Real words, again and again."""
    words = signal(load(DEMO, rate))
    again = np.resize(words, int(seconds * rate))
    return 0.4 * again / np.abs(again).max()


def agent(seconds: float, rate: int = FAR_RATE) -> Signal:
    """What the loudspeaker plays."""
    return speech_like(seconds, rate, seed=1)


def echo_of(far: Signal, rate: int, delay_ms: int) -> Signal:
    """Through a small room."""
    room = np.zeros(rate // 20)
    for ms, gain in ((0, 1.0), (10, 0.4), (23, -0.25), (40, 0.1)):
        room[ms * rate // 1000] = gain
    late = np.concatenate([np.zeros(delay_ms * rate // 1000), far])[: far.size]
    return np.convolve(late, ECHO_GAIN * room)[: far.size]


def pcm(signal: Signal) -> bytes:
    return (signal.clip(-1, 1) * 32767).astype("<i2").tobytes()


def signal(raw: bytes) -> Signal:
    return np.frombuffer(raw, "<i2") / 32767


def blocks(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def dbfs(part: Signal) -> float:
    return float(10 * np.log10(np.mean(part**2) + 1e-20))


def through(
    processing: Processing,
    near: Signal,
    far: Signal,
    rate: int,
    block_ms: int = 20,
    told_s: float = 0.07,
) -> Signal:
    """Both ends block by block, as the devices would; ``far`` at 48 kHz."""
    sizes = (2 * each * block_ms // 1000 for each in (rate, FAR_RATE))
    clean = bytearray()
    both = (blocks(pcm(end), size) for end, size in zip((near, far), sizes, strict=True))
    for heard, played in zip(*both, strict=True):
        processing.played(played)
        clean += processing.captured(heard, told_s)
    return signal(bytes(clean))


def canceller(rate: int, *, noise: bool = False) -> Processing:
    return Processing(rate, echo_cancellation=True, noise_suppression=noise, auto_gain=False)


def seconds(part: Signal, rate: int, begin: float, end: float) -> Signal:
    return part[int(begin * rate) : int(end * rate)]


# -- echo ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize(("rate", "block_ms"), [(16_000, 10), (24_000, 20), (48_000, 20)])
def test_the_far_end_is_gone_by_20_db_and_the_near_end_stays_within_3(
    rate: int, block_ms: int, noise: bool
) -> None:
    own = spoken(20, rate)
    own[: 8 * rate] = 0.0  # first the agent alone, then both at once
    near = echo_of(agent(20, rate), rate, delay_ms=70) + own
    clean = through(canceller(rate, noise=noise), near, agent(20), rate, block_ms)
    alone = (CONVERGED_S, 8)
    less = dbfs(seconds(near, rate, *alone)) - dbfs(seconds(clean, rate, *alone))
    both = (9, 20)
    kept = dbfs(seconds(clean, rate, *both)) - dbfs(seconds(own, rate, *both))
    print(f"{rate} Hz, noise suppression {noise}: echo -{less:.1f} dB, near end {kept:+.1f} dB")
    assert less >= 20
    assert abs(kept) <= 3


@pytest.mark.parametrize("told_s", [0.0, 0.05, 0.3])
def test_a_delay_that_is_told_wrong_is_found(told_s: float) -> None:
    rate = 16_000
    near = echo_of(agent(8, rate), rate, delay_ms=120)
    clean = through(canceller(rate), near, agent(8), rate, told_s=told_s)
    part = (CONVERGED_S, 8)
    assert dbfs(seconds(near, rate, *part)) - dbfs(seconds(clean, rate, *part)) >= 20


def test_a_delay_that_is_told_right_helps_from_the_first_second() -> None:
    rate = 16_000
    near = echo_of(agent(2, rate), rate, delay_ms=70)

    def less(told_s: float) -> float:
        clean = through(canceller(rate), near, agent(2), rate, told_s=told_s)
        return dbfs(near[:rate]) - dbfs(clean[:rate])

    right, wrong = less(0.07), less(0.3)
    print(f"first second: told right -{right:.1f} dB, told 0.3 s -{wrong:.1f} dB")
    assert right >= 20
    assert right > wrong


def test_the_loudspeaker_alone_makes_no_difference_while_echo_is_off() -> None:
    rate = 16_000
    near = echo_of(agent(4, rate), rate, delay_ms=70)
    processing = Processing(rate, echo_cancellation=False, noise_suppression=True, auto_gain=False)
    clean = through(processing, near, agent(4), rate)
    assert dbfs(seconds(near, rate, 2, 4)) - dbfs(seconds(clean, rate, 2, 4)) < 6


def test_without_a_loudspeaker_the_near_end_stays() -> None:
    rate = 48_000
    own = spoken(4, rate)
    processing = canceller(rate)
    size = 2 * rate // 50
    clean = signal(b"".join(processing.captured(block) for block in blocks(pcm(own), size)))
    assert abs(dbfs(seconds(clean, rate, 1, 4)) - dbfs(seconds(own, rate, 1, 4))) <= 3


def test_a_loudspeaker_out_of_step_is_cancelled_all_the_same() -> None:
    """Its blocks come early, late, two at once, and it runs 200 ppm fast."""
    rate, size, far_size = 16_000, 640, 1920
    near = echo_of(agent(10, rate), rate, delay_ms=100)
    processing = canceller(rate)
    rng = np.random.default_rng(5)
    played = blocks(pcm(agent(10)), far_size)
    clean = bytearray()
    due = 1.0
    for heard in blocks(pcm(near), size):
        due += 1.0002
        for _ in range(int(due) - int(rng.integers(0, 2))):
            processing.played(next(played, bytes(far_size)))
            due -= 1
        clean += processing.captured(heard)
    part = (CONVERGED_S, 10)
    less = dbfs(seconds(near, rate, *part)) - dbfs(seconds(signal(bytes(clean)), rate, *part))
    print(f"out of step: echo -{less:.1f} dB")
    assert less >= 20


# -- noise and gain --------------------------------------------------------------------------------


def test_noise_is_less_and_speech_stays() -> None:
    rate = 48_000
    own = spoken(8, rate)
    own[: 4 * rate] = 0.0
    hiss = 0.005 * np.random.default_rng(6).standard_normal(own.size)
    processing = Processing(rate, echo_cancellation=False, noise_suppression=True, auto_gain=False)
    clean = through(processing, own + hiss, np.zeros(8 * FAR_RATE), rate)
    less = dbfs(seconds(hiss, rate, 2, 4)) - dbfs(seconds(clean, rate, 2, 4))
    kept = dbfs(seconds(clean, rate, 5, 8)) - dbfs(seconds(own, rate, 5, 8))
    print(f"noise -{less:.1f} dB, speech {kept:+.1f} dB")
    assert less >= 10
    assert abs(kept) <= 3


def test_gain_raises_quiet_speech_and_leaves_loud_speech_unclipped() -> None:
    rate = 48_000
    processing = Processing(rate, echo_cancellation=False, noise_suppression=False, auto_gain=True)
    quiet = 0.03 * spoken(8, rate)
    clean = through(processing, quiet, np.zeros(8 * FAR_RATE), rate)
    raised = dbfs(seconds(clean, rate, 5, 8)) - dbfs(seconds(quiet, rate, 5, 8))
    print(f"gain {raised:+.1f} dB")
    assert raised >= 6
    assert np.abs(clean).max() <= 1.0


# -- blocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("block_ms", [10, 20, 30])
def test_a_block_stays_as_long_as_it_was(rate: int, block_ms: int) -> None:
    processing = canceller(rate, noise=True)
    block = bytes(2 * rate * block_ms // 1000)
    processing.played(bytes(FAR_RATE // 50))
    assert len(processing.captured(block)) == len(block)


def test_what_is_no_whole_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="10 ms"):
        canceller(16_000).captured(bytes(321))


def test_the_given_block_is_not_changed() -> None:
    rate = 16_000
    block = pcm(speech_like(1, rate, seed=1))[:640]
    before = bytes(bytearray(block))
    canceller(rate, noise=True).captured(block)
    assert block == before


# -- the far end in step ---------------------------------------------------------------------------

FRAME = 4


def numbered(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(FRAME, "big") for number in numbers)


def far_end() -> FarEnd:
    return FarEnd(FRAME, FRAME_MS / 1000)


def given(far: FarEnd, times: int = 1) -> list[list[int]]:
    return [[int.from_bytes(frame, "big") for frame in far.before_next()] for _ in range(times)]


def test_blocks_of_any_size_become_frames() -> None:
    far = far_end()
    raw = numbered(*range(8))
    for at, end in pairwise([0, 1, 7, 8, 20, 32]):
        far.played(raw[at:end])
    assert given(far, 9) == [[n] for n in range(8)] + [[]]


def test_after_a_stall_each_frame_has_its_own_again() -> None:
    far = far_end()
    far.played(numbered(*range(50)))
    assert given(far, 50) == [[n] for n in range(50)]


def test_one_that_comes_late_is_given_with_the_next() -> None:
    far = far_end()
    far.played(numbered(1))
    assert given(far, 3) == [[1], [], []]
    far.played(numbered(2, 3, 4, 5))
    assert given(far, 2) == [[2, 3, 4], [5]]


def test_what_was_never_played_is_not_made_up_for() -> None:
    far = far_end()
    given(far, 1000)
    far.played(numbered(*range(30)))
    assert [len(frames) for frames in given(far, 2)] == [LATE_FRAMES, 1]


def test_a_backlog_that_stays_is_given_out() -> None:
    far = far_end()
    far.played(numbered(*range(5)))
    lengths = []
    for number in range(5, 3 * WINDOW_FRAMES):
        far.played(numbered(number))
        lengths.append(len(given(far)[0]))
    assert lengths[: WINDOW_FRAMES - 1] == [1] * (WINDOW_FRAMES - 1)
    assert lengths[WINDOW_FRAMES - 1] == 6
    assert set(lengths[WINDOW_FRAMES:]) == {1}


def test_it_is_bounded_and_the_oldest_goes() -> None:
    far = far_end()
    far.played(numbered(*range(1000)))
    assert given(far)[0] == [900]


def test_paused_it_begins_afresh() -> None:
    far = far_end()
    far.played(numbered(1, 2, 3))
    far.forget()
    far.played(numbered(4))
    assert given(far, 2) == [[4], []]
