"""The same session for scripts without an event loop: one runs in a thread behind it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from actors.messages import ConnectionState, SessionError

from .agent import Agent
from .data import OnData
from .devices import AudioDevice, DeviceKind
from .errors import SessionClosed
from .message import ReceivedMessage, SentMessage
from .options import SessionOptions
from .rpc import RpcHandler
from .session import Session
from .snapshot import Change, Levels, Snapshot
from .tokens import TokenSource

T = TypeVar("T")


class BlockingSession:
    """``with BlockingSession.attach() as session: session.send("hello")``.

    Everything as of :class:`Session`, whose methods say what they raise; each blocks until it is
    done. For one thread. Without ``with``, call :meth:`close`.
    """

    def __init__(self, session: Session) -> None:
        """Around one that nobody else uses: it belongs to the thread behind this object."""
        self._session = session
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="callpoint-session", daemon=True
        )
        self._thread.start()

    @classmethod
    def with_agent(
        cls,
        name: str,
        *,
        agent_metadata: str = "",
        token_source: TokenSource | None = None,
        options: SessionOptions | None = None,
        runtime_dir: str | Path | None = None,
    ) -> Self:
        """As :meth:`Session.with_agent`."""
        return cls(
            Session.with_agent(
                name,
                agent_metadata=agent_metadata,
                token_source=token_source,
                options=options,
                runtime_dir=runtime_dir,
            )
        )

    @classmethod
    def attach(
        cls, runtime_dir: str | Path | None = None, *, token_source: TokenSource | None = None
    ) -> Self:
        """As :meth:`Session.attach`."""
        return cls(Session.attach(runtime_dir, token_source=token_source))

    def __enter__(self) -> Self:
        try:
            self._run(self._session.open())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """As :meth:`Session.close`; the thread ends too."""
        if self._loop.is_closed():
            return
        self._run(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def snapshot(self) -> Snapshot:
        """All of it at this moment."""
        return self._run(_do(lambda: self._session.snapshot))

    @property
    def is_connected(self) -> bool:
        """A conversation is on: connecting, connected and reconnecting."""
        return self.snapshot.is_connected

    @property
    def connection_state(self) -> ConnectionState:
        """``disconnected``, ``connecting``, ``connected`` or ``reconnecting``."""
        return self.snapshot.connection_state

    @property
    def agent(self) -> Agent:
        """The agent at this moment; for its waiters, :meth:`wait_until_agent_connected`."""
        return self.snapshot.agent

    @property
    def messages(self) -> tuple[ReceivedMessage, ...]:
        """In the order in which they first appeared."""
        return self.snapshot.messages

    @property
    def error(self) -> SessionError | None:
        """What went wrong last."""
        return self.snapshot.error

    def get_message_history(self) -> tuple[ReceivedMessage, ...]:
        """The same as :attr:`messages`."""
        return self.messages

    def prepare_connection(self) -> None:
        """As :meth:`Session.prepare_connection`."""
        self._run(self._session.prepare_connection())

    def start(self) -> None:
        """As :meth:`Session.start`."""
        self._run(self._session.start())

    def end(self) -> None:
        """As :meth:`Session.end`."""
        self._run(self._session.end())

    def send(self, text: str) -> SentMessage | None:
        """As :meth:`Session.send`."""
        return self._run(self._session.send(text))

    def mute(self) -> None:
        """As :meth:`Session.mute`."""
        self._run(self._session.mute())

    def unmute(self) -> None:
        """As :meth:`Session.unmute`."""
        self._run(self._session.unmute())

    def perform_rpc(self, method: str, payload: str = "", *, timeout_s: float = 15.0) -> str:
        """As :meth:`Session.perform_rpc`."""
        return self._run(self._session.perform_rpc(method, payload, timeout_s=timeout_s))

    def register_rpc_method(self, method: str, handler: RpcHandler) -> Callable[[], None]:
        """As :meth:`Session.register_rpc_method`."""
        end = self._run(_do(lambda: self._session.register_rpc_method(method, handler)))
        return lambda: self._run(_do(end))

    def get_agent_history(self, *, timeout_s: float = 5.0) -> tuple[ReceivedMessage, ...]:
        """As :meth:`Session.get_agent_history`."""
        return self._run(self._session.get_agent_history(timeout_s=timeout_s))

    def publish_data(
        self,
        payload: bytes | str,
        *,
        topic: str = "",
        reliable: bool = True,
        to: Iterable[str] = (),
    ) -> None:
        """As :meth:`Session.publish_data`."""
        self._run(self._session.publish_data(payload, topic=topic, reliable=reliable, to=to))

    def on_data(self, callback: OnData, topic: str | None = None) -> Callable[[], None]:
        """As :meth:`Session.on_data`; it is called in the thread behind this object."""
        end = self._run(_do(lambda: self._session.on_data(callback, topic)))
        return lambda: self._run(_do(end))

    @property
    def is_muted(self) -> bool:
        """The microphone is off."""
        return self.snapshot.is_muted

    @property
    def is_encrypted(self) -> bool:
        """As :attr:`Session.is_encrypted`."""
        return self.snapshot.is_encrypted

    @property
    def input_dbfs(self) -> float:
        """As :attr:`Session.input_dbfs`."""
        return self._run(_do(lambda: self._session.input_dbfs))

    @property
    def agent_dbfs(self) -> float:
        """As :attr:`Session.agent_dbfs`."""
        return self._run(_do(lambda: self._session.agent_dbfs))

    def levels(self) -> Iterator[Levels]:
        """As :meth:`Session.levels`, from the first ``next`` on."""
        levels = self._run(_do(self._session.levels))
        while (level := self._run(_next(levels))) is not None:
            yield level

    def get_local_devices(self, kind: DeviceKind) -> tuple[AudioDevice, ...]:
        """As :meth:`Session.get_local_devices`."""
        return self._run(self._session.get_local_devices(kind))

    def get_active_device(self, kind: DeviceKind) -> str:
        """As :meth:`Session.get_active_device`."""
        return self._run(_do(lambda: self._session.get_active_device(kind)))

    def switch_active_device(self, kind: DeviceKind, device: AudioDevice | str | None) -> None:
        """As :meth:`Session.switch_active_device`."""
        self._run(self._session.switch_active_device(kind, device))

    def set_encryption_enabled(self, enabled: bool) -> None:
        """As :meth:`Session.set_encryption_enabled`."""
        self._run(self._session.set_encryption_enabled(enabled))

    def dismiss_error(self) -> None:
        """As :meth:`Session.dismiss_error`."""
        self._run(self._session.dismiss_error())

    def restore_message_history(self, messages: Iterable[ReceivedMessage]) -> None:
        """As :meth:`Session.restore_message_history`."""
        self._run(self._session.restore_message_history(messages))

    def wait_until_connected(self, timeout_s: float | None = None) -> None:
        """As :meth:`Session.wait_until_connected`."""
        self._run(self._session.wait_until_connected(timeout_s))

    def wait_until_disconnected(self, timeout_s: float | None = None) -> None:
        """As :meth:`Session.wait_until_disconnected`."""
        self._run(self._session.wait_until_disconnected(timeout_s))

    def wait_until_agent_connected(self, timeout_s: float | None = None) -> Agent:
        """As :meth:`Agent.wait_until_connected`."""
        return self._run(self._session.agent.wait_until_connected(timeout_s))

    def changes(self) -> Iterator[Change]:
        """As :meth:`Session.changes`, from the first ``next`` on."""
        changes = self._run(_do(self._session.changes))
        while (change := self._run(_next(changes))) is not None:
            yield change

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise SessionClosed
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise


async def _do(work: Callable[[], T]) -> T:
    """In the session's loop."""
    return work()


async def _next(of: AsyncIterator[T]) -> T | None:
    return await anext(of, None)
