"""``callpoint history list``."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import click
import msgspec

from actors.messages import ChatMessage, HistoryPage, ListHistory

from .failures import EXPLAINED, exit_codes
from .options import with_json, with_runtime_dir
from .orders import order
from .table import columns
from .words import SPEAKERS, one_line


@click.group()
def history() -> None:
    """What was said and written, as it is kept on disk."""


@history.command("list", epilog=exit_codes(EXPLAINED))
@with_json
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="The newest so many.",
)
@click.option("--conversation", metavar="ID", default="", help="Only of this conversation.")
@with_runtime_dir
def list_(as_json: bool, limit: int, conversation: str, runtime_dir: Path) -> None:
    """List messages and final transcripts, oldest first.

    \b
    Example:
      callpoint history list --json --limit 10 | jq -r '.[].text'
    """  # noqa: D301  # \b is click's mark
    page = asyncio.run(order(runtime_dir, "history", ListHistory(limit, conversation)))
    assert isinstance(page, HistoryPage)
    if as_json:
        plain = msgspec.to_builtins(page.messages)
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    elif page.messages:
        click.echo(columns([_row(message) for message in page.messages]))


def _row(message: ChatMessage) -> tuple[str, str, str]:
    local = datetime.fromtimestamp(message.timestamp).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}", SPEAKERS[message.kind], one_line(message.text)
