"""What differs between kinds of children: what is run, when it is Ready, how it is asked to end."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actors.messages import Stop
from actors.runtime import kin
from actors.runtime.spec import ChildSpec

from .begin import ProgramJob
from .child import Child
from .lane import Lane
from .spec import ActorSpec


@dataclass(frozen=True)
class Surroundings:
    """What all children of one tree are given."""

    runtime_dir: Path
    settings: dict[str, Any]
    """As plain data."""
    lane: Lane
    heartbeat_s: float


class Work(Protocol):
    """One start of one child."""

    beats: bool
    """It sends heartbeats."""

    def job(self, mark: str) -> ChildSpec | ProgramJob:
        """What the process gets, ``mark`` in its environment."""

    def born(self, child: Child, ready: Callable[[], None]) -> None:
        """The process is there. ``ready``: to be called in the loop when it is."""

    def ask_to_end(self, child: Child, order: Stop) -> bool:
        """Ask it politely; False when that cannot be done and SIGTERM is next."""

    def over(self) -> None:
        """The process is about to end or has ended."""


def environ(mark: str) -> dict[str, str]:
    """The environment of this process as it is now, with the mark of a child."""
    return {**os.environ, kin.MARK: mark}


def mark_of(name: str, incarnation: int) -> str:
    """By which all that a child starts can be found."""
    return f"{kin.identity(os.getpid())}/{name}:{incarnation}"


class ActorWork:
    """An actor says itself, on the lane, that it is Ready."""

    beats = True

    def __init__(self, spec: ActorSpec, incarnation: int, surroundings: Surroundings) -> None:
        self._spec = spec
        self._incarnation = incarnation
        self._surroundings = surroundings

    def job(self, mark: str) -> ChildSpec:
        """With the supervisor's present environment: the fork server has that of its own start."""
        return ChildSpec(
            name=self._spec.name,
            target=self._spec.target,
            incarnation=self._incarnation,
            runtime_dir=self._surroundings.runtime_dir,
            settings=self._surroundings.settings,
            options=self._spec.options,
            supervisor_pid=os.getpid(),
            heartbeat_s=self._surroundings.heartbeat_s,
            environ=environ(mark),
        )

    def born(self, child: Child, ready: Callable[[], None]) -> None:
        """Nothing to do."""

    def ask_to_end(self, child: Child, order: Stop) -> bool:
        """By an order on the lane."""
        return self._surroundings.lane.say(self._spec.name, order)

    def over(self) -> None:
        """Nothing to do."""
