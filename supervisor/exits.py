"""Exit codes of ``callpoint run``; systemd units and ``--help`` name them."""

ASKED = 0
"""Stopped because it was asked to (SIGTERM, SIGINT, or an order)."""
CONFIG = 64
"""The config file or the command line is wrong (EX_USAGE of sysexits.h)."""
CANNOT_START = 69
"""An actor that is needed could not start (EX_UNAVAILABLE)."""
INTERNAL = 70
"""A fault of callpoint itself (EX_SOFTWARE)."""
RUNTIME_DIR = 73
"""The runtime directory or the log file cannot be made or is not safe (EX_CANTCREAT)."""
ALREADY_RUNNING = 75
"""Another terminal runs in the same runtime directory (EX_TEMPFAIL)."""
KEEPS_DYING = 80
"""An actor that is needed died again and again; a fresh start of everything may help."""

EXPLAINED = {
    ASKED: "stopped because it was asked to",
    CONFIG: "the config file or the command line is wrong",
    CANNOT_START: "an actor that is needed could not start",
    INTERNAL: "a fault of callpoint itself",
    RUNTIME_DIR: "the runtime directory or the log file cannot be made or is not safe",
    ALREADY_RUNNING: "another terminal runs in the same runtime directory",
    KEEPS_DYING: "an actor that is needed keeps dying",
}
"""What ``--help`` says of each."""
