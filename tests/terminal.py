"""A whole terminal whose config is written by a test: the drill's own terminal, with a config."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.settings.dirs import RUNTIME_DIR, STATE_DIR
from supervisor.drill import terminal

ROOT = Path(__file__).parents[1]


class Terminal(terminal.Terminal):
    """Running inside the ``with`` block; config, history and log are in ``folder``.

    Args:
        folder: kept over restarts.
        environment: over that of this process, without what that says of terminals and servers.
        config: sections as in a config file.

    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        **config: dict[str, Any],
    ) -> None:
        # YAML is a config's other language, and JSON is YAML.
        written = folder / "terminal.yaml"
        written.write_text(json.dumps(config))
        super().__init__(written, folder, environment=environment)
        given = {RUNTIME_DIR, STATE_DIR, *(environment or {})}
        for name in os.environ:
            if name.startswith(("LIVEKIT_", "CALLPOINT_")) and name not in given:
                del self.environment[name]
