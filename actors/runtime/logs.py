"""Logs: one JSON object a line on standard error; static text, values in fields.

What people say, who they are, and tokens never go into a log line.
"""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure(actor: str, level: str = "INFO") -> None:
    """Send this process's log to standard error. ``level``: a name of :mod:`logging`. It may be
    called again, when the process knows who it is.
    """
    root = logging.getLogger()
    formatter = root.handlers[0].formatter if root.handlers else None
    if not isinstance(formatter, JsonFormatter):
        formatter = JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter)
        root.handlers[:] = [handler]
    formatter.static_fields = {"process": actor}
    root.setLevel(level)
