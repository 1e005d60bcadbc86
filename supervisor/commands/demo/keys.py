"""A line that is being typed. Pure: bytes in, lines out."""

import codecs
import re
from dataclasses import dataclass, field

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])")
"""Arrow and function keys (ECMA-48 control sequences, SS3), and Alt with a key: not used here."""
_BEGUN_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?$")
MAX_LINE = 2000
"""Characters; what is typed or pasted beyond is not taken."""


@dataclass
class LineEditor:
    """Just enough of a line editor: Backspace, Ctrl-U, Ctrl-W, Enter, Ctrl-D."""

    text: str = ""
    """What stands in the line."""
    ended: bool = False
    """Ctrl-D was typed into an empty line."""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _begun: str = ""

    def feed(self, typed: bytes) -> list[str]:
        """Take what was typed; returns the lines that were finished with Enter."""
        keys = self._begun + self._decoder.decode(typed)
        begun = _BEGUN_ESCAPE.search(keys)
        self._begun = begun[0] if begun else ""
        keys = keys[: begun.start()] if begun else keys
        lines = []
        for key in _ESCAPE.sub("", keys):
            if key in "\r\n":
                lines.append(self.text)
                self.text = ""
            else:
                self._edit(key)
        return lines

    def _edit(self, key: str) -> None:
        match key:
            case "\x7f" | "\b":
                self.text = self.text[:-1]
            case "\x15":
                self.text = ""
            case "\x17":
                self.text = self.text.rstrip().rpartition(" ")[0]
                self.text += " " if self.text else ""
            case "\x04":
                self.ended = self.ended or not self.text
            case _ if key.isprintable() and len(self.text) < MAX_LINE:
                self.text += key
