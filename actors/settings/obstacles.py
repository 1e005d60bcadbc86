"""Why valid settings cannot run here and now: no credentials, no such file."""

import importlib.util
import shutil
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path

from .credentials import (
    E2EE_KEY,
    FILE,
    SANDBOX_ID,
    TOKEN,
    URL,
    Credentials,
    CredentialsError,
    load_credentials,
)
from .model import LiveKit, Settings
from .problems import Finding, printable

_SOCKET_PATH = 107
"""Bytes of a UNIX socket's path (unix(7))."""
_LONGEST_SOCKET = "listener-12345678"
"""The fork server's; the next longest is ``supervisor.sock``."""


def obstacles(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Looks at the environment and at files, changes nothing. ``settings`` have resolved
    directories (:func:`actors.settings.dirs.resolve_dirs`).
    """
    return [
        *_livekit(settings, environ),
        *_sound(settings),
        *_sockets(settings),
        *_programs(settings, environ),
        *_modules(settings),
    ]


def _livekit(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    livekit = settings.livekit
    if livekit.backend == "practice":
        return
    try:
        credentials = load_credentials(environ)
    except CredentialsError as error:
        yield Finding(("livekit", "backend"), error.reason, error.remedy)
        return
    yield from _tokens(livekit, credentials)
    if livekit.encryption and not credentials.e2ee_key:
        yield Finding(("livekit", "encryption"), "there is no key", f"set {E2EE_KEY}")


def _tokens(livekit: LiveKit, found: Credentials) -> Iterator[Finding]:
    path = ("livekit", "token_source")
    match livekit.token_source:
        case "literal":
            yield from _address(livekit, found)
            if not found.token:
                yield Finding(path, "there is no token", f"set {TOKEN}")
        case "development" if not found.sandbox_id:
            yield Finding(path, "there is no id of a development server", f"set {SANDBOX_ID}")
        case "auto" if not (livekit.token_function or livekit.token_endpoint):
            yield from _address(livekit, found)
            yield from _keys(found)


def _address(livekit: LiveKit, found: Credentials) -> Iterator[Finding]:
    if not (livekit.url or found.url):
        yield Finding(("livekit", "backend"), "no server is named", f"set livekit.url or {URL}")


def _keys(found: Credentials) -> Iterator[Finding]:
    if missing := found.missing:
        yield Finding(
            ("livekit", "backend"),
            f"a LiveKit server needs {' and '.join(missing)}",
            f"set {'it' if len(missing) == 1 else 'them'} in the environment or in the file that"
            f' {FILE} names; or set livekit.token_endpoint, or backend = "practice"',
        )


def _sound(settings: Settings) -> Iterator[Finding]:
    audio = settings.audio
    files = {"cue_listening": audio.cue_listening, "cue_muted": audio.cue_muted}
    files |= {"cue_error": audio.cue_error, "cue_wake": audio.cue_wake}
    if audio.input.startswith("file:"):
        files["input"] = audio.input.removeprefix("file:")
    for key, file in files.items():
        if file:
            yield from _wav(("audio", key), Path(file))


def _wav(path: tuple[str, str], file: Path) -> Iterator[Finding]:
    try:
        with wave.open(str(file), "rb") as wav:
            if wav.getsampwidth() != 2:
                yield Finding(path, f"{file.name} has not 16 bits a sample", "convert it with sox")
    except OSError as error:
        yield Finding(path, f"{file}: {error.strerror}")
    except (wave.Error, EOFError):
        yield Finding(path, f"{file} is no PCM WAV file", "convert it with sox")


def _sockets(settings: Settings) -> Iterator[Finding]:
    longest = Path(settings.terminal.runtime_dir) / _LONGEST_SOCKET
    if len(bytes(longest)) > _SOCKET_PATH:
        what = f"a socket's path has at most {_SOCKET_PATH} bytes, this one {len(bytes(longest))}"
        yield Finding(("terminal", "runtime_dir"), what, "choose a shorter one")


def _programs(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, program in settings.programs.items():
        path = ("programs", name)
        wanted = program.command[0]
        search = program.environment.get("PATH", environ.get("PATH"))
        if shutil.which(wanted, path=search) is None:
            what = f"there is no program {printable(wanted)}"
            yield Finding((*path, "command"), what, "install it, or give its whole path")
        if program.directory and not Path(program.directory).is_dir():
            yield Finding((*path, "directory"), f"{program.directory} is no directory")


def _modules(settings: Settings) -> Iterator[Finding]:
    """Only whether there is such a package or module: to look into it would be to run it."""
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("actors", name, "target"), actor.target) for name, actor in settings.actors.items()
    ]
    named.append((("livekit", "token_function"), settings.livekit.token_function))
    receivers = enumerate(settings.session.receivers)
    named += [(("session", "receivers", place), target) for place, target in receivers]
    for path, target in named:
        outermost = target.partition(":")[0].partition(".")[0]
        if outermost and not _is_there(outermost):
            what = f"there is no module {printable(outermost)}"
            yield Finding(path, what, "install it, or put it beside this file")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # loaded, in a way that nobody has written down
        return True
