"""The token cache under any order of asking, answering, giving up, refusing and passing time."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.session.tokens import TokenError, TokenOptions, TokenResponse
from actors.session.tokens.caching import TOLERANCE_S, CachingTokens
from tests.unit.test_tokens_caching import NOW, _token

pytestmark = pytest.mark.unit

ROOMS = st.sampled_from(["room-1", "room-2", "room-3"])


class AnyOrder(RuleBasedStateMachine):
    """The source answers when the rules say so."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = NOW
        self.cache = CachingTokens(self, clock=lambda: self.now)
        self.fetches: dict[str, asyncio.Future[TokenResponse]] = {}
        """Under way, by room."""
        self.fetched = 0
        self.asking: dict[str, list[asyncio.Task[TokenResponse]]] = {}
        self.kept: dict[str, tuple[TokenResponse, float]] = {}
        """What the cache should have, and until when it is good."""

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        assert request.room_name not in self.fetches, "equal requests at a time are one"
        self.fetched += 1
        answer = self.fetches[request.room_name] = self.loop.create_future()
        try:
            return await answer
        finally:
            del self.fetches[request.room_name]

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(6):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def good(self, room: str) -> TokenResponse | None:
        response, until = self.kept.get(room, (None, 0.0))
        return response if self.now < until - TOLERANCE_S else None

    @rule(room=ROOMS)
    def asks(self, room: str) -> None:
        good, was_under_way, before = self.good(room), room in self.fetches, self.fetched
        task = self.loop.create_task(self.cache.fetch(TokenOptions(room)))
        self.settle()
        if good is not None:
            assert task.result() == good
            assert self.fetched == before
            return
        assert not task.done()
        assert self.fetched == before + (not was_under_way)
        self.asking.setdefault(room, []).append(task)

    @precondition(lambda self: self.fetches)
    @rule(data=st.data(), life_s=st.sampled_from([0.0, 60.0, 61.0, 600.0, None]))
    def answers(self, data: st.DataObject, life_s: float | None) -> None:
        room = data.draw(st.sampled_from(sorted(self.fetches)))
        number = self.fetched
        token = "opaque" if life_s is None else _token(exp=self.now + life_s, number=number)
        response = TokenResponse("wss://x", token, f"{number}")
        self.fetches[room].set_result(response)
        self.settle()
        assert all(task.result() == response for task in self.asking.pop(room, []))
        self.kept.pop(room, None)
        if life_s is not None:
            self.kept[room] = response, self.now + life_s

    @precondition(lambda self: self.fetches)
    @rule(data=st.data())
    def fails(self, data: st.DataObject) -> None:
        room = data.draw(st.sampled_from(sorted(self.fetches)))
        self.fetches[room].set_exception(TokenError("not today"))
        self.settle()
        for task in self.asking.pop(room, []):
            with pytest.raises(TokenError, match="not today"):
                task.result()
        self.kept.pop(room, None)

    @precondition(lambda self: any(self.asking.values()))
    @rule(data=st.data())
    def gives_up(self, data: st.DataObject) -> None:
        """Whoever does takes it from nobody else."""
        room = data.draw(st.sampled_from(sorted(r for r, tasks in self.asking.items() if tasks)))
        self.asking[room].pop().cancel()
        self.settle()
        assert room in self.fetches

    @rule(seconds=st.sampled_from([1.0, 59.0, 540.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def is_refused(self) -> None:
        self.cache.invalidate()
        self.kept.clear()

    @invariant()
    def whoever_asks_is_waiting_for_a_fetch(self) -> None:
        assert {room for room, tasks in self.asking.items() if tasks} <= set(self.fetches)

    def teardown(self) -> None:
        for answer in list(self.fetches.values()):
            answer.cancel()
        for tasks in self.asking.values():
            for task in tasks:
                task.cancel()
        self.settle()
        self.loop.close()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
