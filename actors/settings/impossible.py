"""What the types cannot say: values and combinations that can never work."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from .model import Settings
from .problems import Finding
from .supervision_rules import impossible_supervision

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def impossible(settings: Settings) -> list[Finding]:
    """All that is wrong with settings whose types are right."""
    return [
        *_addresses(settings),
        *_receivers(settings),
        *_audio(settings),
        *impossible_supervision(settings),
    ]


def _addresses(settings: Settings) -> Iterator[Finding]:
    livekit = settings.livekit
    yield from _address("url", livekit.url, ("ws", "wss", "http", "https"))
    yield from _address("token_endpoint", livekit.token_endpoint, ("http", "https"))
    if livekit.token_function and not _PATH.fullmatch(livekit.token_function):
        yield Finding(("livekit", "token_function"), 'must be "package.module:name"')


def _address(key: str, address: str, schemes: tuple[str, ...]) -> Iterator[Finding]:
    if not address:
        return
    path = ("livekit", key)
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # raises when it is no port
    except ValueError:
        yield Finding(path, "is no address")
        return
    if parts.username or parts.password:
        what = "secrets do not belong in a config"
        yield Finding(path, what, "take the name and password out of the address")
    elif parts.scheme not in schemes or not parts.hostname:
        yield Finding(path, f"must begin with {schemes[0]}:// or {schemes[1]}:// and name a host")


def _receivers(settings: Settings) -> Iterator[Finding]:
    for index, target in enumerate(settings.session.receivers):
        if not _PATH.fullmatch(target):
            path = ("session", "receivers", index)
            yield Finding(path, 'must be "package.module:Class"')


def _audio(settings: Settings) -> Iterator[Finding]:
    session = settings.session
    if session.start in ("voice", "wake-word"):
        path = ("session", "start")
        if settings.audio.input == "none" or settings.audio.input.startswith("file:"):
            yield Finding(path, f"{session.start} needs a microphone", "set [audio] input")
        if not session.pre_connect_audio:
            yield Finding(
                path, f"{session.start} needs pre_connect_audio", "what was said first is in it"
            )
    if settings.audio.input == "file:":
        yield Finding(("audio", "input"), "names no file", 'write "file:PATH.wav"')
    if settings.audio.output.startswith("file:"):
        yield Finding(("audio", "output"), "the agent's voice goes to a device", 'or to "none"')
    for place, name in enumerate(settings.audio.output_fallbacks):
        if name.startswith("file:"):
            at = ("audio", "output_fallbacks", place)
            yield Finding(at, "the agent's voice goes to a device", 'or to "none"')
