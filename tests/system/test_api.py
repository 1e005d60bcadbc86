"""The Python API with a terminal of its own, the real server, a real agent worker and sound."""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import (
    Levels,
    RpcError,
    RpcInvocation,
    Session,
    SessionOptions,
    TokenOptions,
    TokenResponse,
    TokenSource,
)
from actors.messages import GetStatus, Status
from actors.runtime.control import ask_supervisor
from supervisor.commands.overview import take
from supervisor.drill.coded_signal import decode, generate
from tests.peers.agent_worker import Job
from tests.peers.pulse import RATE
from tests.stage import ANSWER_S, Stage

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

KEY = "a key of both"
SPEECH = generate(30, RATE)
VOICE = {"voice": "signal", "voice_blocks": 20}


async def _broken(_call: RpcInvocation) -> str:
    raise RpcError(7, "not today")


Scenario = Callable[[Session], Awaitable[None]]


class Talk:
    """An own terminal with the sound system, whose tokens a function of this program makes."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.asked: list[TokenOptions] = []
        for name in [name for name in os.environ if name.startswith(("LIVEKIT_", "CALLPOINT_"))]:
            monkeypatch.delenv(name)
        for name, value in stage.pulse.environment.items():
            monkeypatch.setenv(name, value)

    async def token(self, request: TokenOptions) -> TokenResponse:
        self.asked.append(request)
        token = self.stage.server.token(
            room=request.room_name,
            identity=request.participant_identity,
            agent=request.agent_name,
            agent_metadata=request.agent_metadata,
        )
        return TokenResponse(self.stage.server.url, token)

    def play(self, scenario: Scenario, key: str | None = None, **orders: Any) -> None:
        async def run() -> None:
            async with Session.with_agent(
                self.stage.worker.name,
                agent_metadata=json.dumps(VOICE | orders),
                token_source=TokenSource.custom(self.token),
                options=SessionOptions(encryption=key),
            ) as session:
                session.register_rpc_method("where", lambda _call: "desk 4")
                session.register_rpc_method("broken", _broken)
                await session.start()
                assert session.error is None
                await session.agent.wait_until_connected(ANSWER_S)
                await scenario(session)
                assert session.runtime_dir is not None
                status = await ask_supervisor(session.runtime_dir, GetStatus())
                assert isinstance(status, Status)
                assert {row.restarts for row in status.actors.values()} == {0}

        asyncio.run(run())

    def job(self, session: Session) -> Job:
        found = self.stage.worker.job(session.snapshot.room_name)
        assert found is not None
        return found


@pytest.fixture
def talk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Talk:
    return Talk(stage, monkeypatch)


async def _said(session: Session, count: int) -> list[tuple[str, str]]:
    """Kinds and texts, once there are so many messages and all are final."""
    async with asyncio.timeout(ANSWER_S):
        async for now in session.snapshots():
            if len(now.messages) >= count and all(each.is_final for each in now.messages):
                return [(each.kind, each.text.strip()) for each in now.messages]
    raise AssertionError


async def _loudest(session: Session) -> tuple[float, float]:
    """Microphone and agent, until cancelled."""
    heard, meter = [Levels()], session.levels()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            heard.append(await anext(meter))
    return max(each.input_dbfs for each in heard), max(each.agent_dbfs for each in heard)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_both_hear_each_other_and_each_transcript_is_there_once(
    talk: Talk, key: str | None
) -> None:
    """The worker sends a new stream for each interim of the user's, and its own as deltas."""

    async def scenario(session: Session) -> None:
        assert session.is_encrypted == (key is not None)
        pulse, loudest = talk.stage.pulse, asyncio.create_task(_loudest(session))
        with pulse.record_speaker() as speaker:
            await asyncio.to_thread(pulse.speak_pcm, SPEECH, RATE)
            await asyncio.to_thread(speaker.wait_for_sound)
            messages = await _said(session, 2)
            await session._wait_for_agent(lambda agent: agent.state == "listening", ANSWER_S)
            await asyncio.to_thread(speaker.wait_for_silence)
        loudest.cancel()
        assert min(await loudest) > -40.0, "of both"
        heard = talk.job(session).decode()
        assert heard.missing(30) == (), heard.seams
        played = decode(speaker.pcm, RATE)
        assert session.runtime_dir is not None
        assert played.missing(20) == (), (played.runs, await take(session.runtime_dir))
        (_, understood), (_, answered) = messages
        assert [kind for kind, _ in messages] == ["user_transcript", "agent_transcript"]
        assert answered == f"You said: {understood}"
        assert await session.send("hello") is not None
        assert (await _said(session, 4))[2:] == [
            ("user_input", "hello"),
            ("agent_transcript", "You said: hello"),
        ]
        assert session.error is None
        async with asyncio.timeout(ANSWER_S):  # it remembers what it has said to the end
            while len(remembered := await session.get_agent_history()) < 4:
                pass
        assert [(each.kind, each.text.strip()) for each in remembered] == [
            ("user_transcript", understood),
            ("agent_transcript", answered),
            ("user_transcript", "hello"),
            ("agent_transcript", "You said: hello"),
        ]
        assert all(each.id and each.timestamp for each in remembered)
        assert await session.perform_rpc("repeat", "two tickets") == "two tickets"
        assert await session.perform_rpc("call back", "where") == "desk 4"
        for payload, code in (("nowhere", 1400), ("broken", 7)):
            with pytest.raises(RpcError) as failed:
                await session.perform_rpc("call back", payload)
            assert failed.value.code == code
        with pytest.raises(RpcError, match="not supported") as failed:
            await session.perform_rpc("fly")
        assert failed.value.code == 1400

    talk.play(scenario, key, e2ee_key=key or "")
    assert talk.asked[0].agent_name == talk.stage.worker.name


@pytest.mark.parametrize(
    ("theirs", "told"), [("another key", "another key"), ("", "does not encrypt")]
)
def test_with_another_key_or_none_nobody_crashes_and_the_error_is_seen(
    talk: Talk, theirs: str, told: str
) -> None:
    async def scenario(session: Session) -> None:
        async with asyncio.timeout(ANSWER_S):
            async for now in session.snapshots():
                if now.error is not None:
                    break
        assert now.error is not None
        assert now.error.kind == "media"
        assert told in now.error.reason
        assert now.agent.is_connected
        assert await session.send("nobody can read this") is not None
        job = talk.job(session)
        assert job.texts == []
        assert not job.of("end")

    talk.play(scenario, KEY, e2ee_key=theirs, greeting="hello")
