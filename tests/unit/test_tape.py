"""The tape against a model of it, killed between and within its stores; and what is in its file."""

import os
import resource
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from actors.audio.header import MAX_GAPS, SLOT, SLOTS, Gap, Header, newest, unpack
from actors.audio.tape import GUARD_S, Run, Tape, TapeError

pytestmark = pytest.mark.unit

RATE = 20
SECONDS = 10
CAPACITY = RATE * SECONDS
GUARD = round(GUARD_S * RATE)
READABLE = CAPACITY - GUARD
BOOT = "the first boot"

VERSION_1_RECORDING = bytes.fromhex(
    "63616c6c706e74310700000000000000803e0000007102006363636363636363636363636363636363636363636363"
    "636363636363636363e8030000000000002823000000000000881300000000000000000000000029400101000000d0"
    "070000000000002c010000000000000f9ce321"
)
"""A slot as the first version wrote it: 16 kHz, 10 s, recording, [1000, 9000), a gap at 2000."""


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


def samples_of(raw: bytes) -> list[int]:
    return [int(sample) for sample in np.frombuffer(raw, dtype="<i2")]


def read_all(tape: Tape, limit: int = 7) -> Iterator[Run]:
    """From the start of the conversation, run by run."""
    at = tape.header.start
    while (run := tape.read(at, limit)) is not None:
        assert run.position == at
        assert run.end > at, "no way on"
        assert len(run.pcm) // 2 <= limit
        yield run
        at = run.end
    assert at == tape.header.end


def in_file(path: Path) -> set[int]:
    """The different samples that are in the file, wherever; without silence."""
    return set(samples_of(path.read_bytes()[SLOTS:])) - {0}


# -- killed at any store ---------------------------------------------------------------------------


class Killed(BaseException):
    """What the process does not live to see."""


class Knife:
    """Kills after so many more stores, and in the middle of the next one."""

    def __init__(self) -> None:
        self.stores: int | None = None
        self.part = 0.0
        """Of the last store, how much still reaches the memory."""


class DyingView:
    """The memory of a process that may be killed."""

    knife = Knife()

    def __init__(self, view: Any) -> None:
        self._view = view

    def __getitem__(self, where: slice) -> bytes:
        return bytes(self._view[where])

    def __setitem__(self, where: slice, data: bytes | memoryview) -> None:
        knife = self.knife
        if knife.stores == 0:
            count = int(len(data) * knife.part)
            self._view[where.start : where.start + count] = data[:count]
            raise Killed
        if knife.stores is not None:
            knife.stores -= 1
        self._view[where] = data

    def close(self) -> None:
        self._view.close()


class DyingTape(Tape):
    """A tape whose process may be killed, also while opening it."""

    def __init__(self, view: Any, header: Header) -> None:
        super().__init__(DyingView(view), header)  # type: ignore[arg-type]


class Model:
    """What the tape should be: plain, and slow."""

    def __init__(self) -> None:
        self.samples: dict[int, int | None] = {}
        """By position; None was never captured."""
        self.conversation = ""
        self.number = 0
        """Of the conversation: the upper byte of its samples."""
        self.start = self.end = self.served = 0
        self.recording = self.muted = False
        self.written_at = 0.0

    def copy(self) -> "Model":
        other = Model()
        other.__dict__ |= self.__dict__ | {"samples": dict(self.samples)}
        return other

    def forget(self) -> None:
        self.samples.clear()
        self.start = self.served = self.end

    def seen(self) -> dict[str, Any]:
        """What the header tells."""
        names = ("conversation", "start", "end", "served", "recording", "muted", "written_at")
        return {name: getattr(self, name) for name in names}

    @property
    def oldest(self) -> int:
        return max(self.start, self.end - READABLE)


def seen(header: Header) -> dict[str, Any]:
    return {name: getattr(header, name) for name in Model().seen()}


Op = Callable[[Tape], object]
Change = Callable[[Model], None]


class TapeMachine(RuleBasedStateMachine):
    """Every operation may be cut off at any store; then the next process opens the tape."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "tape"
        self.knife = DyingView.knife = Knife()
        self.model = Model()
        self.boot = BOOT
        self.now = 100.0
        self.conversations = 0
        self.tape: Tape

    @initialize()
    def first(self) -> None:
        self.tape = DyingTape.open(self.path, RATE, SECONDS, self.boot)

    def teardown(self) -> None:
        self.knife.stores = None
        self.tape.close()
        self.folder.cleanup()

    # -- how an operation is done ------------------------------------------------------------------

    def do(self, op: Op, *steps: Change) -> None:
        """Do it and change the model, step by step; cut off, any number of steps is done."""
        outcomes = [self.model]
        for step in steps:
            outcomes.append(outcomes[-1].copy())
            step(outcomes[-1])
        try:
            op(self.tape)
        except Killed:
            self.reopened()
            found = seen(self.tape.header)
            self.model = next((each for each in outcomes if each.seen() == found), outcomes[0])
        else:
            self.knife.stores = None
            self.model = outcomes[-1]

    def reopened(self) -> None:
        self.knife.stores = None
        self.tape.close()
        self.tape = DyingTape.open(self.path, RATE, SECONDS, self.boot)

    # -- what is done ------------------------------------------------------------------------------

    @rule(stores=st.integers(0, 6), part=st.sampled_from([0.0, 0.3, 0.9]))
    def sharpen(self, stores: int, part: float) -> None:
        """The next operations are cut off."""
        self.knife.stores, self.knife.part = stores, part

    @rule(quarters=st.integers(1, 60))
    def time_passes(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule()
    def begin(self) -> None:
        self.conversations += 1
        number, now = self.conversations, self.now

        def change(model: Model) -> None:
            model.forget()
            model.conversation, model.number = f"c{number}", number % 100 + 1
            model.recording, model.written_at = True, now

        self.do(lambda tape: tape.begin(f"c{number}", now), change)

    @rule()
    def stop(self) -> None:
        def change(model: Model) -> None:
            model.forget()
            model.conversation, model.recording = "", False

        self.do(lambda tape: tape.stop(), change)

    @rule()
    def interrupt(self) -> None:
        self.do(lambda tape: tape.interrupt(), lambda model: setattr(model, "recording", False))

    @precondition(lambda self: self.model.conversation)
    @rule(late=st.floats(0, 0.02))
    def resume(self, late: float) -> None:
        now = self.now + late
        missed = max(0, round((now - self.model.written_at) * RATE))

        def change(model: Model) -> None:
            self.lose(model, missed, now)
            model.recording = True

        self.do(lambda tape: tape.resume(now), change)

    @precondition(lambda self: self.model.recording)
    @rule(count=st.integers(0, 3 * CAPACITY))
    def skip(self, count: int) -> None:
        now = self.now
        self.do(lambda tape: tape.skip(count, now), lambda model: self.lose(model, count, now))

    @staticmethod
    def lose(model: Model, count: int, now: float) -> None:
        model.samples |= dict.fromkeys(range(model.end, model.end + count))
        model.end += count
        model.written_at = now

    @precondition(lambda self: self.model.recording)
    @rule(
        count=st.integers(0, 5) | st.integers(0, CAPACITY + 50),
        odd=st.sampled_from([b"", b"\x7f"]),
    )
    def append(self, count: int, odd: bytes) -> None:
        begin, number, now = self.model.end, self.model.number, self.now
        positions = range(begin, begin + count)
        values = {at: number << 8 | at & 0xFF for at in positions}

        def piece(at: int) -> Change:
            def change(model: Model) -> None:
                part = positions[at : at + GUARD]
                model.samples |= {position: values[position] for position in part}
                model.end, model.written_at = part.stop, now

            return change

        def op(tape: Tape) -> None:
            assert tape.append(pcm(*values.values()) + odd, now) == begin

        self.do(op, *(piece(at) for at in range(0, count, GUARD)))

    @rule(muted=st.booleans())
    def mute(self, muted: bool) -> None:
        self.do(lambda tape: tape.mute(muted), lambda model: setattr(model, "muted", muted))

    @rule(ahead=st.integers(-CAPACITY, CAPACITY))
    def serve(self, ahead: int) -> None:
        position = self.model.served + ahead

        def change(model: Model) -> None:
            if model.start <= position <= model.end:
                model.served = position

        self.do(lambda tape: tape.serve(position), change)

    @rule()
    def next_process(self) -> None:
        """Cut off while opening, the one after it has the same tape before it."""
        try:
            self.tape.close()
            self.tape = DyingTape.open(self.path, RATE, SECONDS, self.boot)
        except Killed:
            self.reopened()
        self.knife.stores = None

    @rule()
    def next_boot(self) -> None:
        """Its clock begins again: what was on the tape is over."""
        self.boot += "!"
        self.now = 1.0
        try:
            self.tape.close()
            self.tape = DyingTape.open(self.path, RATE, SECONDS, self.boot)
        except Killed:
            self.reopened()
        self.knife.stores = None
        self.model.forget()
        self.model.conversation, self.model.recording = "", False

    # -- what is always so -------------------------------------------------------------------------

    @invariant()
    def the_header_is_true(self) -> None:
        assert seen(self.tape.header) == self.model.seen()
        assert self.tape.oldest == self.model.oldest

    @invariant()
    def every_position_reads_as_it_was_written(self) -> None:
        for run in read_all(self.tape):
            for position, sample in enumerate(samples_of(run.pcm), run.position):
                assert sample == (self.model.samples[position] or 0)
                assert position >= self.model.oldest
            if run.gap and run.end > self.model.oldest:
                gone = range(max(run.position, self.model.oldest), run.end)
                assert all(self.model.samples[position] is None for position in gone)

    @invariant()
    def nothing_of_another_conversation_is_in_the_file(self) -> None:
        numbers = {sample >> 8 for sample in in_file(self.path)} - {0}  # half a sample was written
        assert numbers <= ({self.model.number} if self.model.conversation else set())


TestTape = TapeMachine.TestCase
TestTape.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# -- gaps ------------------------------------------------------------------------------------------


def test_a_gap_too_many_makes_the_oldest_silence_and_not_what_lies_under_it(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, 60, BOOT)
    tape.begin("c", 0.0)
    tape.append(pcm(*range(1, 60 * RATE)), 0.0)
    first = tape.header.end
    for _ in range(MAX_GAPS + 1):
        tape.skip(3, 0.0)
        tape.append(pcm(9), 0.0)
    assert len(tape.header.gaps) == MAX_GAPS
    run = tape.read(first, 4)
    assert run is not None
    assert samples_of(run.pcm) == [0, 0, 0, 9]
    tape.close()


def test_gaps_that_are_no_longer_on_the_tape_are_not_remembered(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    for _ in range(20):
        tape.append(pcm(*[7] * CAPACITY), 0.0)
        tape.skip(1, 0.0)
    assert len(tape.header.gaps) == 1
    tape.close()


def test_two_restarts_without_a_sample_between_are_one_gap(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    tape.append(pcm(1, 2), 1.0)
    assert tape.resume(2.0) == RATE
    assert tape.resume(2.5) == RATE / 2
    assert tape.header.gaps == (Gap(2, 30),)
    assert [(run.position, run.gap) for run in read_all(tape)] == [(0, 0), (2, 30)]
    tape.close()


def test_a_clock_that_went_back_makes_no_gap(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 50.0)
    tape.append(pcm(1, 2), 50.0)
    assert tape.resume(1.0) == 0
    assert tape.append(pcm(3), 1.0) == 2
    tape.close()


def test_what_was_missed_is_compared_with_what_the_tape_holds(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 5.0)
    assert not tape.outlived(5.0 + SECONDS)
    assert tape.outlived(5.1 + SECONDS)
    tape.close()


def test_a_run_that_was_read_stays_as_it_was(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    tape.append(pcm(*[1] * READABLE), 0.0)
    run = tape.read(0, READABLE)
    tape.append(pcm(*[2] * CAPACITY), 0.0)
    assert run is not None
    assert samples_of(run.pcm) == [1] * READABLE
    tape.close()


@pytest.mark.parametrize("name", ["", "x" * 65, "ü" * 33])
def test_an_id_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, name: str) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    before = tape.header
    with pytest.raises(ValueError, match="bytes"):
        tape.begin(name, 0.0)
    assert tape.header == before
    tape.close()


# -- headers ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, SLOT - 1), st.integers(1, 255))
def test_a_damaged_slot_is_never_taken_for_whole(at: int, flips: int) -> None:
    header = Header(48_000, 480_000, 5, "c" * 64, 10, 90, 50, 1.5, True, (Gap(20, 3),), True, 10)
    for slot in (header.pack().ljust(SLOT, b"\0"), VERSION_1_RECORDING.ljust(SLOT, b"\0")):
        damaged = bytearray(slot)
        damaged[at] ^= flips
        assert unpack(bytes(damaged)) in (None, unpack(slot))


@settings(deadline=None)
@given(st.binary(max_size=SLOT), st.sampled_from([b"", b"callpnt1", b"callpnt2"]))
def test_any_bytes_are_a_header_or_none(garbage: bytes, magic: bytes) -> None:
    assert unpack(magic + garbage) is None


def test_the_largest_header_fits_its_slot() -> None:
    large = 2**62
    gaps = tuple(Gap(large + 2 * n, large) for n in range(MAX_GAPS))
    full = Header(
        48_000,
        large,
        large,
        "c" * 64,
        large,
        large,
        large,
        1e300,
        True,
        gaps,
        True,
        large,
        "b" * 36,
    )
    assert unpack(full.pack()) == full
    with pytest.raises(ValueError, match="slot"):
        Header(48_000, 1, gaps=gaps * 2).pack()


def test_a_later_version_may_append_fields() -> None:
    class Later(Header, frozen=True, array_like=True):
        colour: str = "red"

    assert unpack(Later(RATE, CAPACITY, 3, muted=True).pack()) == Header(
        RATE, CAPACITY, 3, muted=True
    )


def test_a_tape_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    words = pcm(*[77] * 9_000).ljust(320_000, b"\0")
    path.write_bytes(VERSION_1_RECORDING.ljust(SLOTS, b"\0") + words)
    header = newest(path.read_bytes()[:SLOTS])
    assert header is not None
    assert (header.conversation, header.start, header.end) == ("c" * 32, 1000, 9000)
    assert header.gaps == (Gap(2000, 300),)
    assert not header.muted
    tape = Tape.open(path, 16_000, 10, BOOT)
    # It does not say of which boot it is, so it is over; but its positions go on.
    assert (tape.header.start, tape.header.end, tape.header.recording) == (9000, 9000, False)
    assert in_file(path) == set()
    tape.close()


# -- the file --------------------------------------------------------------------------------------


def test_the_file_is_private_and_all_of_it_is_reserved(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.touch(mode=0o666)
    Tape.open(path, 16_000, 10, BOOT).close()
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == SLOTS + 320_000
    assert found.st_blocks * 512 >= found.st_size


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_when_opening_and_leaves_no_half_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    with no_file_larger_than(100_000), pytest.raises(TapeError, match=r"no room for 0\.3 MiB"):
        Tape.open(path, 16_000, 10, BOOT)
    assert path.stat().st_blocks * 512 <= SLOTS
    tape = Tape.open(path, 16_000, 10, BOOT)
    tape.mute(True)
    tape.close()
    with no_file_larger_than(500_000), pytest.raises(TapeError, match="no room"):
        Tape.open(path, 48_000, 10, BOOT)
    tape = Tape.open(path, 16_000, 10, BOOT)
    assert tape.header.muted
    tape.close()


@pytest.mark.parametrize(
    ("rate", "seconds"), [(RATE, 2 * SECONDS), (RATE, SECONDS - 1), (2 * RATE, SECONDS // 2)]
)
def test_a_tape_of_another_shape_loses_its_words_but_not_its_positions_nor_the_mute(
    tmp_path: Path, rate: int, seconds: int
) -> None:
    path = tmp_path / "tape"
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    tape.append(pcm(*[5] * 150), 0.0)
    tape.mute(True)
    tape.close()
    tape = Tape.open(path, rate, seconds, BOOT)
    header = tape.header
    assert (header.start, header.end, header.served) == (150, 150, 150)
    assert (header.conversation, header.recording, header.muted) == ("", False, True)
    assert in_file(path) == set()
    assert path.stat().st_size == SLOTS + 2 * rate * seconds
    assert [each.name for each in tmp_path.iterdir()] == ["tape"], "somebody's words are kept"
    tape.close()


def test_what_is_no_tape_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b"a letter")
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    tape.begin("c", 0.0)
    tape.close()
    assert (tmp_path / "tape.set-aside").read_bytes() == b"a letter"
    assert path.stat().st_size == SLOTS + 2 * CAPACITY


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/"), os.mkfifo])
def test_what_cannot_be_a_tape_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "tape"
    make(path)
    with pytest.raises(TapeError, match="tape"):
        Tape.open(path, RATE, SECONDS, BOOT)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="No such file"):
        Tape.open(tmp_path / "none" / "tape", RATE, SECONDS, BOOT)


def _damage(path: Path, *slots: int) -> None:
    raw = bytearray(path.read_bytes())
    for slot in slots:
        raw[slot * SLOT + 20] ^= 0xFF
    path.write_bytes(raw)


def _written(path: Path) -> int:
    """A tape with two blocks; returns the slot of its newest header."""
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    tape.mute(True)
    tape.begin("c", 0.0)
    tape.append(pcm(1, 2), 0.0)
    tape.append(pcm(3, 4), 0.1)
    tape.close()
    return tape.header.serial % 2


def test_damage_to_the_older_header_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    newest_slot = _written(path)
    _damage(path, 1 - newest_slot)
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    assert [samples_of(run.pcm) for run in read_all(tape)] == [[1, 2, 3, 4]]
    tape.close()


def test_damage_to_the_newest_header_costs_one_block(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    newest_slot = _written(path)
    _damage(path, newest_slot)
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    assert tape.header.muted
    assert tape.resume(0.2) == 4
    tape.append(pcm(5), 0.2)
    runs = [(run.position, run.gap, samples_of(run.pcm)) for run in read_all(tape)]
    assert runs == [(0, 0, [1, 2]), (2, 4, []), (6, 0, [5])]
    tape.close()


def test_damage_to_both_headers_leaves_nothing_to_be_heard(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    _written(path)
    _damage(path, 0, 1)
    tape = Tape.open(path, RATE, SECONDS, BOOT)
    assert not tape.header.recording
    assert in_file(path) == set()
    assert [each.name for each in tmp_path.iterdir()] == ["tape"]
    tape.close()


def test_the_mute_is_in_both_headers(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    for slot in (0, 1):
        tape = Tape.open(path, RATE, SECONDS, BOOT)
        tape.mute(False)
        tape.mute(True)
        tape.close()
        _damage(path, slot)
        tape = Tape.open(path, RATE, SECONDS, BOOT)
        assert tape.header.muted
        tape.close()
