"""What an agent remembers and the list of messages does not have. Pure.

The two tell the same talk in their own ways: an agent's message of the user is one turn, which may
have been several transcripts; a transcript of the agent may have been cut off in the middle; and
they have no ids in common. So they are compared by their words, in order: messages that are the
same hold the rest in place, and of what lies between them each part that is on neither side of a
transcript is missing.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from actors.messages import ChatMessage

SLACK_S = 60.0
"""Clocks of agent and terminal may differ by so much; LiveKit's tokens would not bear more."""
_STEP_S = 0.001
"""Between messages whose times would not tell their order."""


@dataclass
class _Told:
    """A message of the agent's, and what we have of it."""

    message: ChatMessage
    text: "_Plain"
    parts: list[str] = field(default_factory=list)
    """That we do not have, in order."""
    known_at: list[float] = field(default_factory=list)
    """Timestamps of those that we have."""


def lacking(
    ours: Sequence[ChatMessage], theirs: Sequence[ChatMessage], since: float, conversation: str
) -> list[ChatMessage]:
    """Final messages to be added to ours, oldest first, with the times of their places.

    ``ours``: of this conversation, in order; ``theirs``: oldest first; nothing is added that was
    said before ``since`` (Unix seconds).
    """
    told = [_Told(message, _Plain(message.text)) for message in theirs]
    for is_agent in (True, False):
        _compare(
            [message for message in ours if _is_agent(message) is is_agent],
            [each for each in told if _is_agent(each.message) is is_agent],
        )
    known = {message.id for message in ours}
    return [message for message in _placed(told, since, conversation) if message.id not in known]


def _is_agent(message: ChatMessage) -> bool:
    return message.kind == "agent_transcript"


def _compare(ours: list[ChatMessage], theirs: list[_Told]) -> None:
    plain = [_Plain(message.text).plain for message in ours]
    told = [each.text.plain for each in theirs]
    matcher = SequenceMatcher(None, plain, told, autojunk=False)
    i = j = 0
    for at, of, size in matcher.get_matching_blocks():  # the last one is empty, at both ends
        _fill(list(zip(ours[i:at], plain[i:at], strict=True)), theirs[j:of])
        for message, each in zip(ours[at : at + size], theirs[of : of + size], strict=True):
            each.known_at.append(message.timestamp)
        i, j = at + size, of + size


def _fill(ours: list[tuple[ChatMessage, str]], theirs: list[_Told]) -> None:
    """None of these is one of those, but may be a part of it. Ours come with their plain texts."""
    rest = deque(ours)
    for index, each in enumerate(theirs):
        at, is_open = 0, False
        while rest:
            message, part = rest[0]
            found = each.text.plain.find(part, at) if part else -1
            if found >= 0:
                each.parts += each.text.between(at, found)
                each.known_at.append(message.timestamp)
                at, is_open = found + len(part), is_open or not message.is_final
            elif part and any(part in later.text.plain for later in theirs[index + 1 :]):
                break
            rest.popleft()  # also if it is nothing that they remember
        each.parts += each.text.between(at, len(each.text.plain))
        if is_open:
            each.parts.clear()  # it is just being said


def _placed(told: list[_Told], since: float, conversation: str) -> Iterable[ChatMessage]:
    floor = 0.0
    for index, each in enumerate(told):
        later = (at for other in told[index + 1 :] for at in other.known_at[:1])
        ceiling = next(later, float("inf"))
        floor = max([floor, *each.known_at])
        if each.message.timestamp < since - SLACK_S:
            continue
        for number, part in enumerate(each.parts):
            at = max(min(each.message.timestamp, ceiling - _STEP_S), floor + _STEP_S)
            floor = at
            yield ChatMessage(
                id=f"{each.message.id}.{number}" if number or each.known_at else each.message.id,
                kind=each.message.kind,
                text=part,
                timestamp=at,
                conversation=conversation,
            )


class _Plain:
    """A text without what may differ: case, spaces, punctuation."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = [at for at, letter in enumerate(text) if letter.isalnum()]
        self.plain = "".join(text[at].casefold()[:1] for at in self._at)

    def between(self, begin: int, end: int) -> list[str]:
        """The text there, if there is any; places are those of :attr:`plain`."""
        if begin >= end:
            return []
        stop = self._at[end] if end < len(self._at) else len(self._text)
        return [self._text[self._at[begin] : stop].strip()]
