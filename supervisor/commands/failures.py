"""How a command says that something went wrong: what, what to do, and an exit code. No traceback
for what an operator can mend.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import click

from supervisor import exits

ORDER_FAILED = 1
"""The terminal runs and refused."""
NOT_RUNNING = 3
"""No terminal runs in the runtime directory (the code that LSB gives to a status)."""
IN_DOUBT = 4
"""Nobody has answered (LSB: the status is unknown): a script must not simply try again."""

EXPLAINED = {
    0: "done",
    ORDER_FAILED: "the terminal could not do it; the reason is on standard error",
    NOT_RUNNING: "no terminal is running there",
    IN_DOUBT: "nobody has answered: it may have been done all the same",
    exits.CONFIG: "the command line or the config is wrong",
}
"""What ``--help`` says of commands to a running terminal."""


_CODES = {"not-running": NOT_RUNNING, "refused": exits.CONFIG}


class Failure(Exception):
    """What is wrong, what to do about it, and the exit code."""

    def __init__(self, reason: str, remedy: str = "", code: int = ORDER_FAILED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.code = code


@contextmanager
def told_to_the_operator() -> Iterator[None]:
    """Tells the expected errors of everything below on standard error and ends the command."""
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise click.exceptions.Exit(exits.CONFIG) from None
    except Exception as error:
        if (failure := _expected(error)) is None:
            raise
        click.echo(f"callpoint: {failure.reason}", err=True)
        if failure.remedy:
            click.echo(f"  {failure.remedy}", err=True)
        raise click.exceptions.Exit(failure.code) from None


def _expected(error: Exception) -> Failure | None:
    from actors.runtime.errors import OrderFailed
    from actors.settings import SettingsError

    match error:
        case Failure():
            return error
        case SettingsError():
            problems = str(error).replace("\n", "\n  ")
            return Failure("the config is refused", problems, exits.CONFIG)
        case OrderFailed():
            code = IN_DOUBT if error.in_doubt else _CODES.get(error.code, ORDER_FAILED)
            return Failure(error.sentence, error.remedy.replace("\n", "\n  "), code)
        case OSError(strerror=str(what)) if error.errno != errno.EPIPE:  # that one is click's
            return Failure(f"{error.filename}: {what}" if error.filename else what)
    return None


def exit_codes(explained: dict[int, str]) -> str:
    """A paragraph for ``--help``."""
    lines = [f"  {code:>2}  {what}" for code, what in explained.items()]
    return "\b\nExit codes:\n" + "\n".join(lines)
