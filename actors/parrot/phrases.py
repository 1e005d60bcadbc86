"""What the parrot says. Pure."""

import re

GREETING = "Hello! I am a parrot. Say something, or write to me."
LONGEST = 200
"""Characters of a text that it says again."""
_WORD = re.compile(r"\S{1,40}\s*")
"""What is said at a time; what has no spaces is cut."""


def heard(seconds: float) -> str:
    """All that it can say of speech: it knows no words."""
    return f"({seconds:.1f} s of speech)"


def answer_to_speech(seconds: float) -> str:
    """Said before the user's own voice."""
    return f"You spoke for {seconds:.1f} s; it sounded like this:"


def answer_to_text(text: str) -> str:
    """Say it again."""
    text = " ".join(text.split())
    if not text:
        return "You said nothing at all."
    if len(text) > LONGEST:
        text = text[:LONGEST] + "…"
    return f"You said: {text}"


def words(text: str) -> list[str]:
    """Its parts in the order of speaking; joined they are the text again."""
    return _WORD.findall(text)
