"""`python -m bench [--only PART] [--rounds N]`: measures, prints tables, keeps them as JSON."""

import argparse
import importlib
import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .figures import Table
from .text import as_text

PARTS = {
    "cold-start": "cold_start",
    "memory": "memory",
    "restart": "restart",
    "bus": "bus",
    "idle": "idle",
    "reconnect": "reconnect",
    "sound": "sound",
    "first-word": "first_word",
}
"""Name and module, in the order in which they run."""
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part")
    parser.add_argument("--rounds", type=int, help="instead of each part's own number")
    asked = parser.parse_args()
    began = time.monotonic()
    done: dict[str, list[Table]] = {}
    for name in asked.only or PARTS:
        module = importlib.import_module(f"bench.{PARTS[name]}")
        options = {"rounds": asked.rounds} if asked.rounds else {}

        def say(what: str, name: str = name) -> None:
            print(f"bench {time.monotonic() - began:4.0f} s  {name}: {what}", flush=True)

        done[name] = module.measure(say, **options)
        for table in done[name]:
            print(f"\n{as_text(table)}", flush=True)
    _keep(done)


def _keep(done: dict[str, list[Table]]) -> None:
    """Each part in a file of its own, so that one that is measured alone replaces only itself."""
    RESULTS.mkdir(exist_ok=True)
    for name, tables in done.items():
        plain = {**_machine(), "tables": [table.to_plain() for table in tables]}
        (RESULTS / f"{name}.json").write_text(json.dumps(plain, indent=2) + "\n")
        (RESULTS / f"{name}.md").write_text("\n".join(map(as_text, tables)))
    print(f"bench: kept in {os.path.relpath(RESULTS)}")


def _machine() -> dict[str, Any]:
    try:
        ours = version("callpoint")
    except PackageNotFoundError:
        ours = "(not installed)"
    return {
        "callpoint": ours,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


if __name__ == "__main__":
    main()
