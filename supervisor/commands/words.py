"""How messages are shown to people."""

from actors.messages import MessageKind

SPEAKERS: dict[MessageKind, str] = {
    "user_input": "you wrote",
    "user_transcript": "you said",
    "agent_transcript": "agent",
}


def one_line(text: str) -> str:
    """On one line, without anything that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
