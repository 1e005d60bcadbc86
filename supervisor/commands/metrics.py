"""``callpoint metrics``: the status as numbers, in the text format that Prometheus reads."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from actors.messages import ActorStatus, AudioState, Status

from .failures import EXPLAINED, exit_codes
from .options import with_runtime_dir
from .overview import Overview, take

_MIB = 1024 * 1024

DEAF = ("silence", "stuck", "clipping", "stopped")
"""What ``AudioState.deaf`` can be."""

Samples = list[tuple[dict[str, str], float]]
Family = tuple[str, str, str, Samples]
"""Name, type, meaning, and a value for each set of labels."""

_OF_AN_ACTOR: tuple[tuple[str, str, str, Callable[[ActorStatus], float]], ...] = (
    ("restarts_total", "counter", "Times it was started again.", lambda row: row.restarts),
    ("well", "gauge", "It says that it is.", lambda row: row.health == "ok"),
    ("resident_bytes", "gauge", "Its memory.", lambda row: row.rss_mib * _MIB),
    ("cpu_percent", "gauge", "Of one processor.", lambda row: row.cpu_percent),
)


@click.command(short_help="The status as numbers, for Prometheus.", epilog=exit_codes(EXPLAINED))
@with_runtime_dir
def metrics(runtime_dir: Path) -> None:
    """Print what can be counted, in the text format that Prometheus reads.

    \b
    Examples:
      callpoint metrics > /var/lib/node_exporter/callpoint.prom.new &&
        mv /var/lib/node_exporter/callpoint.prom.new /var/lib/node_exporter/callpoint.prom

    A microphone that hears nothing: callpoint_microphone_deaf > 0.
    """  # noqa: D301  # \b is click's mark
    click.echo(as_metrics(asyncio.run(take(runtime_dir))), nl=False)


def as_metrics(overview: Overview) -> str:
    """Of one look. What is not known has no sample."""
    lines: list[str] = []
    for name, kind, meaning, samples in _families(overview):
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
        for labels, value in samples:
            pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"{name}{{{pairs}}} {value:.15g}" if pairs else f"{name} {value:.15g}")
    return "".join(f"{line}\n" for line in lines)


def _families(overview: Overview) -> Iterator[Family]:
    yield from _of_actors(overview.status)
    if overview.session is not None:
        connected = float(overview.session.is_connected)
        yield "callpoint_session_connected", "gauge", "A conversation is on.", [({}, connected)]
    if overview.audio is not None:
        yield from _of_audio(overview.audio)


def _of_actors(status: Status) -> Iterator[Family]:
    for name, kind, meaning, value_of in _OF_AN_ACTOR:
        rows = status.actors.items()
        samples = [({"actor": actor}, float(value_of(row))) for actor, row in rows]
        yield f"callpoint_actor_{name}", kind, meaning, samples


def _of_audio(audio: AudioState) -> Iterator[Family]:
    deaf: Samples = [({"kind": kind}, float(audio.deaf == kind)) for kind in DEAF]
    yield "callpoint_microphone_deaf", "gauge", "It is open and hears nothing.", deaf
    for name, kind, meaning, value in (
        ("microphone_muted", "gauge", "It was switched off here.", audio.muted),
        ("recording", "gauge", "What is said goes on the tape.", audio.recording),
        ("sound_failed", "gauge", "A device is at fault.", bool(audio.error)),
        ("microphone_xruns_total", "counter", "Times it lost samples.", audio.input_xruns),
        ("loudspeaker_xruns_total", "counter", "Times it ran dry.", audio.output_xruns),
        ("voice_underruns_total", "counter", "Times the voice came too late.", audio.underruns),
        ("voice_dropped_samples_total", "counter", "More than can wait.", audio.dropped),
    ):
        yield f"callpoint_{name}", kind, meaning, [({}, float(value))]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
