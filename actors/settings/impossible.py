"""What the types cannot say: values and combinations that can never work."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from .model import BUILT_IN_ACTORS, Settings
from .problems import Finding
from .suggest import did_you_mean

_RESERVED = ("supervisor",)
"""Names that others have on the bus; a client's begins with ``client-``."""


def impossible(settings: Settings) -> list[Finding]:
    """All that is wrong with settings whose types are right."""
    return [*_addresses(settings), *_audio(settings), *_backoff(settings), *_actors(settings)]


def _addresses(settings: Settings) -> Iterator[Finding]:
    livekit = settings.livekit
    yield from _address("url", livekit.url, ("ws", "wss", "http", "https"))
    yield from _address("token_endpoint", livekit.token_endpoint, ("http", "https"))


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


def _audio(settings: Settings) -> Iterator[Finding]:
    if settings.audio.input == "file:":
        yield Finding(("audio", "input"), "names no file", 'write "file:PATH.wav"')
    if settings.audio.output.startswith("file:"):
        yield Finding(("audio", "output"), "the agent's voice goes to a device", 'or to "none"')


def _backoff(settings: Settings) -> Iterator[Finding]:
    supervisor = settings.supervisor
    if supervisor.backoff_max < supervisor.backoff_initial:
        what = f"must not be below backoff_initial ({supervisor.backoff_initial:g})"
        yield Finding(("supervisor", "backoff_max"), what)


def _actors(settings: Settings) -> Iterator[Finding]:
    for name, actor in settings.actors.items():
        path = ("actors", name)
        if name in _RESERVED or name.startswith("client-"):
            yield Finding(path, "this name is taken", "choose another")
        elif actor.target:
            module, colon, cls = actor.target.partition(":")
            if not (
                colon and cls.isidentifier() and all(p.isidentifier() for p in module.split("."))
            ):
                yield Finding((*path, "target"), "must be package.module:Class")
        elif name not in BUILT_IN_ACTORS:
            otherwise = 'an actor of your own needs target = "package.module:Class"'
            remedy = did_you_mean(name, BUILT_IN_ACTORS, otherwise)
            yield Finding(path, "no built-in actor has this name", remedy)
