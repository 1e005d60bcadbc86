"""The command ``callpoint``: finds the subcommand and loads nothing else."""

import importlib
import sys
from typing import Any

import click

from .failures import told_to_the_operator

_COMMANDS = {
    "run": "run",
    "demo": "demo.command",
    "console": "console",
    "check": "check",
    "status": "status",
    "metrics": "metrics",
    "start": "orders",
    "end": "orders",
    "say": "orders",
    "mute": "orders",
    "unmute": "orders",
    "volume": "orders",
    "record": "orders",
    "devices": "devices",
    "history": "history",
    "restart": "restart",
    "reload": "reload",
    "drill": "drill",
    "schema": "schema",
}
"""In the order in which ``--help`` tells of them, with the module that has the function."""


class Commands(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one; None when there is no such command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"supervisor.commands.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, and with the nearest command when there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from actors.settings.suggest import did_you_mean

            remedy = did_you_mean(args[0], _COMMANDS, "callpoint --help lists all")
            raise click.UsageError(f"{error.message} {remedy}", ctx) from None

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click, with our exit code for a wrong command line."""
        with told_to_the_operator():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what an operator can mend is told without a traceback."""
        with told_to_the_operator():
            return super().invoke(ctx)


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("callpoint")
    except PackageNotFoundError:
        found = "(not installed)"
    click.echo(f"callpoint {found}, Python {sys.version.split()[0]}")
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
    epilog=(
        "\b\nFirst steps:\n"
        "  callpoint demo                     talk with a parrot: no server, no keys\n"
        "  callpoint check configs/kiosk.toml is this config right?\n"
        "  callpoint run configs/kiosk.toml   until Ctrl-C or SIGTERM\n"
        "  callpoint status                   from another shell\n"
        "\n"
        "Several terminals share a machine: each has its own --runtime-dir (or"
        " CALLPOINT_RUNTIME_DIR), given to run and to every other command, and its own history:"
        " [terminal] state_dir in its config (or CALLPOINT_STATE_DIR)."
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say it."
)
def cli() -> None:
    """A voice terminal for LiveKit agents: kill any process in the middle of a sentence, and the
    agent still hears every word.
    """
