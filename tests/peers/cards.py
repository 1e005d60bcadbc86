"""Several sound cards without hardware, which can be pulled and plugged in: a PulseAudio daemon
each, because PulseAudio moves a stream to another device where a USB card would break it.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.pulse import PulseAudio


class Cards:
    """Cards with these names, as ALSA and PortAudio see them, plugged in inside the `with` block.

    Args:
        folder: as for :class:`PulseAudio`.
        names: of ALSA devices; the default one is no card at all.

    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._conf = folder / "cards.conf"
        self._cards = {}
        lines = ["pcm.!default { type null }\n"]  # without any, PortAudio aborts
        for number, name in enumerate(names):
            place = folder / f"c{number}"
            place.mkdir()
            card = self._cards[name] = PulseAudio(place)
            server = card.environment["PULSE_SERVER"]
            lines.append(f'pcm.{name} {{ type pulse server "{server}" }}\n')
        self._conf.write_text("".join(lines))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for card in self._cards.values():
                stack.enter_context(card)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> PulseAudio:
        """One of them: ``kill()`` pulls it, ``start()`` plugs it in again."""
        return self._cards[name]

    @property
    def environment(self) -> dict[str, str]:
        """Over the environment of a program, so that its devices are these."""
        card = next(iter(self._cards.values()))
        kept = ("PULSE_LATENCY_MSEC", "PULSE_COOKIE", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")
        return {name: card.environment[name] for name in kept} | {
            "ALSA_CONFIG_PATH": str(self._conf)
        }
