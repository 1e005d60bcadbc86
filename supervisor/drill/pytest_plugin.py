"""The drill's verbs for tests: the fixture ``terminal``. Loads nothing else until it is used."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from supervisor.drill.speaking import SpeakingTerminal


@pytest.fixture
def terminal(tmp_path: Path) -> "Iterator[Callable[..., SpeakingTerminal]]":
    """``terminal(config, **environment)``: a running terminal of this config, which is being
    spoken to and has an agent that listens; stopped after the test. See ``SpeakingTerminal`` for
    what can be done to it.
    """
    from actors.runtime.dotted import MODULES
    from supervisor.drill.speaking import SpeakingTerminal

    with ExitStack() as running:

        def start(config: str | Path, **environment: str) -> "SpeakingTerminal":
            folder = tmp_path / f"terminal-{len(list(tmp_path.glob('terminal-*')))}"
            folder.mkdir()
            environment = {MODULES: str(Path(config).absolute().parent), **environment}
            made = SpeakingTerminal(Path(config), folder, environment=environment)
            running.enter_context(made)
            made.begin()
            return made

        yield start
