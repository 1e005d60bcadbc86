"""Recordings for support: bounded, private, whole."""

import os
import threading
import wave
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.audio.tracks import KEPT_BYTES, Track, Tracks
from actors.runtime.errors import OrderFailed

pytestmark = pytest.mark.unit

RATES: Mapping[Track, int] = {"captured": 16_000, "played": 48_000}
BLOCK = b"\x07\x00" * 320


def content(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
        return wav.getframerate(), wav.readframes(wav.getnframes())


def test_each_track_holds_what_was_written_and_no_more_than_asked_for(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path / "recordings", "now", RATES, 1.0)
    assert not tracks.is_over
    for _ in range(60):
        tracks.write("captured", BLOCK)
    tracks.write("played", BLOCK)
    tracks.close()
    captured, played = tracks.paths
    assert (captured.name, played.name) == ("now-captured.wav", "now-played.wav")
    assert content(captured) == (16_000, BLOCK * 50)
    assert content(played) == (48_000, BLOCK)
    assert {path.stat().st_mode & 0o777 for path in tracks.paths} == {0o600}
    assert captured.parent.stat().st_mode & 0o777 == 0o700


def test_a_recording_that_is_cut_off_can_be_heard(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path, "now", RATES, 5.0)
    for _ in range(2000):
        tracks.write("captured", BLOCK)
    while not content(tracks.paths[0])[1]:
        os.sched_yield()  # the header follows the samples
    rate, pcm = content(tracks.paths[0])
    assert (rate, set(pcm)) == (16_000, {7, 0})
    tracks.close()


def test_a_disk_that_hangs_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, pwrite = threading.Event(), os.pwrite
    tracks = Tracks(tmp_path, "now", RATES, 5.0)

    def hanging(fd: int, data: bytes, at: int) -> int:
        hangs.wait()
        return pwrite(fd, data, at)

    monkeypatch.setattr(os, "pwrite", hanging)
    for _ in range(3000):
        tracks.write("captured", BLOCK)
    assert tracks.lost > 1000
    tracks.close()
    assert not hangs.is_set(), "it has waited for the disk"
    hangs.set()
    tracks._queue.put(None)
    tracks._thread.join()


def test_it_is_over_when_every_track_is_full(tmp_path: Path) -> None:
    tracks = Tracks(tmp_path, "now", {"captured": 16_000}, 0.02)
    tracks.write("captured", BLOCK)
    tracks.close()
    assert tracks.is_over


@pytest.mark.parametrize("seconds", [0.0, -1.0, 601.0, float("nan")])
def test_an_impossible_time_is_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(OrderFailed):
        Tracks(tmp_path, "now", RATES, seconds)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OrderFailed) as refused:
        Tracks(tmp_path / "file", "now", RATES, 1.0)
    assert "recordings" in refused.value.remedy
    (tmp_path / "now-captured.wav").symlink_to(tmp_path / "file")
    with pytest.raises(OrderFailed):
        Tracks(tmp_path, "now", RATES, 1.0)
    assert (tmp_path / "file").stat().st_size == 0, "it has followed a link"


def test_a_folder_that_nobody_looks_after_is_not_filled(tmp_path: Path) -> None:
    with (tmp_path / "old.wav").open("wb") as old:
        old.truncate(KEPT_BYTES)
    with pytest.raises(OrderFailed) as refused:
        Tracks(tmp_path, "now", RATES, 1.0)
    assert "1024 MiB" in refused.value.reason
