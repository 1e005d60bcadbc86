"""The audio actor with a microphone that gives nothing while a file ``.asleep`` stands beside the
sound that it plays: as those do that wake a sound system or a radio link first.
"""

from pathlib import Path
from typing import Any

from actors.audio import file
from actors.audio.process import Audio
from actors.audio.source import OnBlock


class _Source(file.FileSource):
    def __init__(self, path: Path, *args: Any, on_block: OnBlock, **options: Any) -> None:
        asleep = path.with_suffix(".asleep")

        def awake(pcm: bytes, given_at: float) -> None:
            if not asleep.exists():
                on_block(pcm, given_at)

        super().__init__(path, *args, on_block=awake, **options)


class Sleepy(Audio):
    async def on_start(self) -> None:
        file.FileSource = _Source  # type: ignore[misc]
        await super().on_start()
