"""Logs: one JSON object a line on standard error; static text, values in fields.

What people say, who they are, and tokens never go into a log line.
"""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure(actor: str, level: str = "INFO") -> None:
    """Send this process's log to standard error. ``level``: a name of :mod:`logging`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            static_fields={"process": actor},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
