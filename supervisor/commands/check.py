"""``callpoint check CONFIG``."""

import os
from pathlib import Path

import click

from supervisor import exits

from .failures import exit_codes


@click.command(
    short_help="Tell what is wrong with a config.",
    epilog=exit_codes({0: "the file is right", exits.CONFIG: "it is refused"}),
)
@click.argument("config", type=click.Path(path_type=Path))
def check(config: Path) -> None:
    """Read CONFIG as run would and tell everything that is wrong with it, with file, line, key and
    the nearest right name. Starts nothing.

    What only this machine lacks (credentials, a sound file) is told too, and is no error here:
    a config may be checked where it does not run.
    """
    from actors.runtime.dotted import find_modules_beside
    from actors.settings.dirs import resolve_dirs
    from actors.settings.load import load_config
    from actors.settings.obstacles import obstacles

    find_modules_beside(config)
    found = load_config(config)
    settings = resolve_dirs(found.settings, os.environ)
    click.echo(f"{found.document.file}: right")
    for problem in found.document.problems(obstacles(settings, os.environ)):
        click.echo(f"but it cannot run here: {problem}", err=True)
