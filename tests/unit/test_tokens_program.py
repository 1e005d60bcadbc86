"""Tokens from attached programs: who is asked, and what if he is gone, slow, or fails."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors.messages import Done, GetStatus, Message, TokenOptions, TokenResponse
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable
from actors.session.tokens import TokenError
from actors.session.tokens.program import ANSWER_S, MAX_PROGRAMS, PATIENCE_S, ProgramTokens
from tests.virtual_loop import run

pytestmark = pytest.mark.unit

REQUEST = TokenOptions("room-1", "terminal-1")


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


class Programs:
    """Attached programs by name: what each makes of a request. Others are not there."""

    def __init__(self, **answers: Callable[[], Awaitable[Message]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.tokens = ProgramTokens(self.ask)
        for name in answers:
            self.tokens.add(name)

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        if to not in self.answers:
            raise Unreachable(to)
        if isinstance(message, GetStatus):
            raise OrderFailed("invalid", "this program takes no such orders")
        assert message == REQUEST
        self.asked.append(to)
        try:
            async with asyncio.timeout(timeout_s):
                return await self.answers[to]()
        except TimeoutError:
            raise NoAnswer(to, timeout_s) from None

    async def failure(self) -> str:
        with pytest.raises(TokenError) as failed:
            await self.tokens.fetch(REQUEST)
        return str(failed.value)


def _gives(token: str) -> Callable[[], Awaitable[Message]]:
    async def give() -> Message:
        return TokenResponse("wss://x", token)

    return give


def test_the_one_that_came_last_is_asked() -> None:
    async def scenario() -> None:
        programs = Programs(first=_gives("1"), second=_gives("2"))
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "2"
        programs.tokens.add("first")  # it has come again
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"

    run(scenario())


def test_one_that_is_gone_is_forgotten_and_the_one_before_it_asked() -> None:
    async def scenario() -> None:
        programs = Programs(first=_gives("1"), second=_gives("2"))
        second = programs.answers.pop("second")
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"
        programs.answers["second"] = second
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"
        assert programs.asked == ["first", "first"]

    run(scenario())


def test_one_that_dies_before_it_has_answered_is_noticed() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        programs = Programs(first=_gives("1"), second=_never)
        loop.call_later(0.5, programs.answers.pop, "second")
        began = loop.time()
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"
        assert loop.time() - began < 2.0

    run(scenario())


def test_one_that_does_not_answer_is_waited_for_and_told() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        programs, began = Programs(only=_never), loop.time()
        assert "did not answer" in await programs.failure()
        assert loop.time() - began == pytest.approx(ANSWER_S)
        programs.answers["only"] = _gives("1")  # it is not forgotten for that
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"

    run(scenario())


def test_where_nobody_gives_tokens_somebody_is_waited_for() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        programs = Programs()
        assert await programs.failure() == "no program is there that gives tokens"
        programs.answers["late"] = _gives("1")
        loop.call_later(PATIENCE_S / 2, programs.tokens.add, "late")
        assert (await programs.tokens.fetch(REQUEST)).participant_token == "1"

    run(scenario())


def test_what_it_says_is_wrong_is_told() -> None:
    async def refuses() -> Message:
        raise OrderFailed("token", "the token function failed: ValueError")

    async def talks() -> Message:
        return Done()

    async def scenario() -> None:
        programs = Programs(first=_gives("1"), second=refuses)
        assert await programs.failure() == "the token function failed: ValueError"
        assert programs.asked == ["second"], "it is the one that was meant"
        assert "something else" in await Programs(only=talks).failure()

    run(scenario())


def test_programs_that_come_and_come_are_bounded() -> None:
    programs = Programs()
    for number in range(10 * MAX_PROGRAMS):
        programs.tokens.add(f"p{number}")
    assert len(programs.tokens._programs) == MAX_PROGRAMS
