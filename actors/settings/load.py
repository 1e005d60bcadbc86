"""From a config file to validated settings, or to everything that is wrong with it."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .impossible import impossible
from .model import Settings
from .problems import Finding, Problem, SettingsError, printable
from .source import Document, read_document
from .validate import validate


@dataclass(frozen=True)
class Config:
    """A config file that was read and found valid."""

    settings: Settings
    document: Document
    """Tells the line of whatever is found wrong later."""


def load(path: Path) -> Settings:
    """The settings of a TOML (or .yaml, .yml) file.

    Paths in it count from the file's own directory, and ``~`` is the home directory. Raises
    :class:`SettingsError` with all problems at once.
    """
    return load_config(path).settings


def load_config(path: Path) -> Config:
    """As :func:`load`, with the places of all values."""
    document = read_document(path)
    settings, findings = validate(document.plain)
    wrong = {finding.path for finding in findings}
    findings += [found for found in impossible(settings) if not _within(found, wrong)]
    if findings:
        raise SettingsError(document.problems(findings))
    return Config(_anchor(settings, path.absolute().parent, document.file), document)


def _within(finding: Finding, wrong: set[tuple[str | int, ...]]) -> bool:
    """It only follows from what is already said: a default stands in for a refused value."""
    around = finding.path
    return any(path[: len(around)] == around or around[: len(path)] == path for path in wrong)


def _anchor(settings: Settings, directory: Path, file: str) -> Settings:
    def absolute(path: str) -> str:
        try:
            return str(directory / Path(path).expanduser()) if path else ""
        except RuntimeError:
            what = f"there is no home directory for {printable(path)}"
            raise SettingsError([Problem(file, 0, "", what, "write the whole path")]) from None

    terminal, audio, history = settings.terminal, settings.audio, settings.history

    def device(name: str) -> str:
        if not name.startswith("file:"):
            return name
        return f"file:{os.path.normpath(absolute(name.removeprefix('file:')))}"

    audio = msgspec.structs.replace(
        audio,
        input=device(audio.input),
        input_fallbacks=tuple(map(device, audio.input_fallbacks)),
        cue_wake=absolute(audio.cue_wake),
        cue_listening=absolute(audio.cue_listening),
        cue_muted=absolute(audio.cue_muted),
        cue_error=absolute(audio.cue_error),
        recordings=absolute(audio.recordings),
    )
    terminal = msgspec.structs.replace(
        terminal,
        runtime_dir=absolute(terminal.runtime_dir),
        state_dir=absolute(terminal.state_dir),
    )
    session = settings.session
    if session.wake_word.endswith(".json"):
        session = msgspec.structs.replace(session, wake_word=absolute(session.wake_word))
    history = msgspec.structs.replace(history, path=absolute(history.path))
    programs = {
        name: msgspec.structs.replace(
            program,
            directory=absolute(program.directory),
            command=[
                absolute(word) if place == 0 and "/" in word else word  # else found on the PATH
                for place, word in enumerate(program.command)
            ],
        )
        for name, program in settings.programs.items()
    }
    return msgspec.structs.replace(
        settings,
        terminal=terminal,
        session=session,
        audio=audio,
        history=history,
        programs=programs,
    )
