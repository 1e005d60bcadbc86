"""What the LiveKit client logs, made fit for our log: warnings only, and not their texts.

Its lines hold tokens (a refused one stands there in full), identities and what people said; what
is kept is where in the client they come from, which its source explains.
"""

import logging

_NATIVE_ARGUMENTS = 4
"""The client's native half logs with target, line, module path and message as arguments."""


class WithoutTexts(logging.Filter):
    """Replaces a record's text by a static one and its place."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: the record is changed, not dropped."""
        record.target, record.line = record.module, record.lineno
        if isinstance(record.args, tuple) and len(record.args) == _NATIVE_ARGUMENTS:
            record.target, record.line = str(record.args[0]), record.args[1]
        if record.exc_info and record.exc_info[0] is not None:
            record.cause = record.exc_info[0].__name__
        record.msg, record.args = "a word from the LiveKit client", ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


class WithoutTextsOfClient(WithoutTexts):
    """The same, only for records from the client's own files (some are logged by the root); its
    chatter, such as a line for each stream that nobody reads, is dropped.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Other records are left as they are."""
        if "/livekit/" not in record.pathname:
            return True
        return record.levelno >= logging.WARNING and super().filter(record)


def install() -> None:
    """For this process, once."""
    client = logging.getLogger("livekit")
    client.setLevel(logging.WARNING)
    if not any(isinstance(each, WithoutTexts) for each in client.filters):
        client.addFilter(WithoutTexts())
        logging.getLogger().addFilter(WithoutTextsOfClient())
