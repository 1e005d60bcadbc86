"""``callpoint run CONFIG``."""

import os
from pathlib import Path

import click

from supervisor import exits, hang_ups

from .failures import exit_codes

_MAX_PID = 2**22
"""PID_MAX_LIMIT of Linux (proc(5))."""


@click.command(short_help="Run a terminal in the foreground.", epilog=exit_codes(exits.EXPLAINED))
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--runtime-dir",
    metavar="DIR",
    help="For sockets and the tape. Else CALLPOINT_RUNTIME_DIR, else as the config says.",
)
@click.option(
    "--owner",
    type=click.IntRange(1, _MAX_PID),
    metavar="PID",
    help="End when this process has ended.",
)
@click.option("--log-file", type=click.Path(path_type=Path), help="Instead of standard error.")
@click.option(
    "--log-limit",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="Begin the log file anew past this; one before it is kept, as FILE.1.",
)
def run(
    config: Path,
    runtime_dir: str | None,
    owner: int | None,
    log_file: Path | None,
    log_limit: int | None,
) -> None:
    """Run the terminal that CONFIG describes, in the foreground, until SIGTERM or Ctrl-C.

    Log lines (JSON) go to standard error. SIGHUP does what callpoint reload does. LIVEKIT_URL,
    LIVEKIT_API_KEY and LIVEKIT_API_SECRET come from the environment or from the file that
    CALLPOINT_CREDENTIALS_FILE names.
    """
    hang_ups.hold()
    from actors.runtime.dotted import find_modules_beside
    from actors.settings import Settings, SettingsError
    from actors.settings.dirs import RUNTIME_DIR, resolve_dirs
    from actors.settings.load import load_config
    from actors.settings.obstacles import obstacles
    from supervisor.reload import immovable

    find_modules_beside(config)
    environ = {**os.environ, **({RUNTIME_DIR: runtime_dir} if runtime_dir else {})}

    def read(running: Settings | None = None) -> Settings:
        found = load_config(config)
        settings = resolve_dirs(found.settings, environ)
        findings = obstacles(settings, environ)
        if running is not None:
            findings += immovable(running, settings)
        if findings:
            raise SettingsError(found.document.problems(findings))
        return settings

    settings = read()
    from supervisor.run import run as run_terminal

    where = Path(settings.terminal.runtime_dir)
    raise SystemExit(
        run_terminal(
            settings,
            where,
            log_file=log_file,
            log_limit=(log_limit or 0) * 1024 * 1024,
            reread=lambda: read(settings),
            owner=owner,
        )
    )
