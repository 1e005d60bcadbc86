"""A WAV file as microphone: what it takes, what it refuses, and that it keeps time."""

import asyncio
import os
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.audio.file import CATCH_UP, MAX_BYTES, FileSource, load
from actors.audio.source import DeviceError
from supervisor.drill.coded_signal import decode, generate
from tests.virtual_loop import VirtualLoop, run

pytestmark = pytest.mark.unit

RATE = 16_000
BLOCK_MS = 20
BLOCK = RATE * BLOCK_MS // 1000
BLOCK_S = BLOCK_MS / 1000

Pcm = NDArray[np.int16]


def write(path: Path, raw: bytes, *, rate: int = RATE, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(raw)
    return path


def ramp(count: int) -> Pcm:
    return np.arange(1, count + 1, dtype="<i2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "speech.wav"


# -- loading ---------------------------------------------------------------------------------------


def test_mono_at_the_terminals_rate_is_taken_as_it_is(path: Path) -> None:
    raw = ramp(1000).tobytes()
    assert load(write(path, raw), RATE) == raw


def test_stereo_is_mixed_without_clipping(path: Path) -> None:
    left, right = [100, -100, 32767, -32768, 3, 0], [300, -101, 32767, -32768, 0, -3]
    raw = np.array(list(zip(left, right, strict=True)), dtype="<i2").tobytes()
    mixed = np.frombuffer(load(write(path, raw, channels=2), RATE), "<i2")
    assert list(mixed) == [200, -100, 32767, -32768, 2, -2]


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_another_rate_is_resampled_and_every_block_of_speech_is_there(
    path: Path, rate: int
) -> None:
    spoken = generate(20, rate)
    loaded = load(write(path, spoken.tobytes(), rate=rate), RATE)
    heard = decode(np.frombuffer(loaded, np.int16), RATE)
    assert heard.missing(20) == ()
    assert heard.seams == ()


@pytest.mark.parametrize("count", [1, 2, 999, 11_025])
def test_resampled_it_lasts_as_long(path: Path, count: int) -> None:
    loaded = load(write(path, ramp(count).tobytes(), rate=11_025), RATE)
    assert len(loaded) == 2 * round(count * RATE / 11_025)


def test_full_scale_at_another_rate_does_not_wrap_around(path: Path) -> None:
    square = np.where(np.arange(4410) // 50 % 2, 32767, -32768).astype("<i2")
    loaded = np.frombuffer(load(write(path, square.tobytes(), rate=44_100), RATE), "<i2")
    # Where it wraps, a sample of one sign is the neighbour of one of the other; 88 edges are real.
    assert int((np.abs(np.diff(loaded.astype(int))) > 40_000).sum()) <= 88


@pytest.mark.parametrize("width", [1, 3, 4])
def test_other_widths_are_refused(path: Path, width: int) -> None:
    write(path, bytes(width * 100), width=width)
    with pytest.raises(DeviceError, match=f"{8 * width}-bit") as refused:
        load(path, RATE)
    assert "16-bit" in refused.value.remedy


def test_an_empty_wav_is_silence(path: Path) -> None:
    assert load(write(path, b""), RATE) == b""
    assert load(write(path, b"", rate=48_000, channels=2), RATE) == b""


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("missing", [1, 2, 3, 500])
def test_of_a_file_that_is_cut_off_there_is_what_there_is(
    path: Path, channels: int, missing: int
) -> None:
    raw = np.repeat(ramp(1000), channels).tobytes()
    write(path, raw, channels=channels)
    path.write_bytes(path.read_bytes()[:-missing])
    whole = (len(raw) - missing) // (2 * channels)
    assert load(path, RATE) == ramp(whole).tobytes()


@pytest.mark.parametrize("length", [0, 3, 12, 20, 36, 40])
def test_a_file_cut_off_in_its_head_is_refused(path: Path, length: int) -> None:
    write(path, ramp(10).tobytes())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DeviceError, match=r"cannot be read as a WAV file: .+") as refused:
        load(path, RATE)
    assert refused.value.remedy


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(5000))


def _float(path: Path) -> None:
    write(path, ramp(10).tobytes())
    raw = bytearray(path.read_bytes())
    raw[20:22] = struct.pack("<H", 3)  # WAVE_FORMAT_IEEE_FLOAT
    path.write_bytes(raw)


def _without_rate(path: Path) -> None:
    write(path, ramp(10).tobytes())
    raw = bytearray(path.read_bytes())
    raw[24:28] = bytes(4)
    path.write_bytes(raw)


def _too_large(path: Path) -> None:
    path.touch()
    os.truncate(path, MAX_BYTES + 1)


@pytest.mark.parametrize(
    "make",
    [_garbage, _float, _without_rate, _too_large, Path.mkdir, os.mkfifo, lambda _path: None],
)
def test_what_is_no_wav_is_refused_with_a_remedy(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(DeviceError) as refused:
        load(path, RATE)
    assert str(path) in refused.value.reason
    assert refused.value.remedy


# -- speaking --------------------------------------------------------------------------------------


class Tap:
    """The blocks of a source, with the virtual time of each."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.blocks: list[tuple[float, bytes]] = []
        self.given_at: list[float] = []
        self.lost: list[str] = []
        options = {"loop": False, "clock": self.loop.time, "on_lost": self.lost.append} | options
        self.source = FileSource(path, RATE, BLOCK_MS, on_block=self._on_block, **options)

    def _on_block(self, pcm: bytes, given_at: float) -> None:
        assert len(pcm) == 2 * BLOCK
        self.given_at.append(given_at - self.began)
        self.blocks.append((round(self.loop.time() - self.began, 6), pcm))

    @property
    def samples(self) -> list[int]:
        return [int(s) for s in np.frombuffer(b"".join(pcm for _, pcm in self.blocks), "<i2")]


def test_it_is_silent_until_it_begins_and_after_its_end(path: Path) -> None:
    write(path, ramp(2 * BLOCK + 5).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        await asyncio.sleep(2.5 * BLOCK_S)
        tap.source.begin()
        await asyncio.sleep(5.5 * BLOCK_S)
        tap.source.close()
        silence = [0] * BLOCK
        spoken = [*range(1, 2 * BLOCK + 6), *[0] * (BLOCK - 5)]
        assert tap.samples == [*silence * 2, *spoken, *silence * 2]
        await asyncio.sleep(1.0)
        assert len(tap.blocks) == 7, "it goes on after being closed"

    run(scenario())


def test_who_moves_it_away_pulls_the_plug(path: Path) -> None:
    write(path, ramp(BLOCK).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        tap.source.begin()
        await asyncio.sleep(2.5 * BLOCK_S)
        path.rename(path.with_suffix(".away"))
        await asyncio.sleep(100.0)
        assert len(tap.blocks) == 2
        assert tap.lost == [f"{path} is gone"]

    run(scenario())


def test_each_block_comes_when_it_has_been_spoken(path: Path) -> None:
    write(path, ramp(10).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        await asyncio.sleep(100.5 * BLOCK_S)
        tap.source.close()
        times = [at for at, _ in tap.blocks]
        assert times == pytest.approx([BLOCK_S * n for n in range(1, 101)], abs=1e-3)

    run(scenario())


def test_its_first_block_is_there_when_it_has_been_spoken(path: Path) -> None:
    write(path, ramp(BLOCK).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        await asyncio.sleep(0.7 * BLOCK_S)
        tap.source.begin()
        await asyncio.sleep(1.1 * BLOCK_S)
        tap.source.close()
        assert tap.samples == list(range(1, BLOCK + 1))
        assert tap.given_at == pytest.approx([1.7 * BLOCK_S], abs=1e-3)

    run(scenario())


def test_a_late_loop_catches_up_by_the_clock(path: Path) -> None:
    write(path, ramp(30 * BLOCK).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        tap.source.begin()
        assert isinstance(tap.loop, VirtualLoop)
        await asyncio.sleep(3.5 * BLOCK_S)
        tap.loop.now += 7.25 * BLOCK_S  # it hangs
        await asyncio.sleep(BLOCK_S)
        tap.source.close()
        assert len(tap.blocks) == 11
        assert tap.samples == list(range(1, 11 * BLOCK + 1))
        due = [BLOCK_S * n for n in range(1, 12)]
        assert tap.given_at == pytest.approx(due, abs=1e-3), "they do not say when they were due"

    run(scenario())


def test_after_a_long_sleep_others_get_their_turn_while_it_catches_up(path: Path) -> None:
    write(path, ramp(10).tobytes())

    async def scenario() -> None:
        tap = Tap(path)
        assert isinstance(tap.loop, VirtualLoop)
        tap.loop.now += 10.01 * CATCH_UP * BLOCK_S
        largest = before = 0
        while len(tap.blocks) < 10 * CATCH_UP:
            await asyncio.sleep(0)
            largest, before = max(largest, len(tap.blocks) - before), len(tap.blocks)
        assert largest == CATCH_UP
        tap.source.close()

    run(scenario())


@pytest.mark.parametrize("length", [1, 100, BLOCK, 3 * BLOCK + 7])
def test_looping_it_goes_on_without_a_seam(path: Path, length: int) -> None:
    write(path, ramp(length).tobytes())

    async def scenario() -> None:
        tap = Tap(path, loop=True)
        tap.source.begin()
        await asyncio.sleep(12.5 * BLOCK_S)
        tap.source.close()
        assert tap.samples == [n % length + 1 for n in range(12 * BLOCK)]

    run(scenario())


@pytest.mark.parametrize("loop", [False, True])
def test_it_goes_on_where_its_speaker_is_after_a_restart(path: Path, loop: bool) -> None:
    length = 5 * BLOCK
    write(path, ramp(length).tobytes())

    async def scenario(spoken: int) -> None:
        tap = Tap(path, loop=loop)
        tap.source.begin(spoken)
        await asyncio.sleep(2.5 * BLOCK_S)
        tap.source.close()
        places = range(spoken, spoken + 2 * BLOCK)
        assert tap.samples == [n % length + 1 if loop or n < length else 0 for n in places]

    for spoken in (0, 17, length - 3, length, 7 * length + 1):
        run(scenario(spoken))


def test_an_empty_file_is_silent_also_when_looping(path: Path) -> None:
    write(path, b"")

    async def scenario() -> None:
        tap = Tap(path, loop=True)
        tap.source.begin()
        await asyncio.sleep(3.5 * BLOCK_S)
        tap.source.close()
        assert tap.samples == [0] * 3 * BLOCK

    run(scenario())
