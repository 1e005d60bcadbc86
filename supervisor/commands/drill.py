"""``callpoint drill CONFIG``."""

import json
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from supervisor import exits

from .failures import Failure, exit_codes
from .options import with_json

if TYPE_CHECKING:
    from actors.settings import Settings
    from supervisor.drill.judge import Report
    from supervisor.drill.speaking import SpeakingTerminal

ENDED = 1
LOST = 10
"""Words or messages."""
NOT_RECOVERED = 11
NOT_DONE = 12
GROWN = 13

_CODES = {
    0: "nothing was lost but what was said while the microphone was away",
    ENDED: "a signal ended it before there was a report",
    LOST: "words or messages were lost, doubled or out of order",
    NOT_RECOVERED: "the terminal did not recover from a fault",
    NOT_DONE: "a fault that was asked for cannot be done here",
    GROWN: "nothing was lost, but a process has grown (only with --minutes 2 or more)",
    exits.CONFIG: "the config or the command line is wrong",
    exits.CANNOT_START: "the terminal did not start, or no conversation began",
}


@click.command(
    short_help="Hurt a terminal and tell what it costs.",
    epilog="\b\nExamples:\n"
    "  callpoint drill configs/test.toml                    # every fault on all it can hit\n"
    "  callpoint drill configs/test.toml --faults kill      # kill every process once\n"
    "  callpoint drill kiosk.toml --faults kill:room,drop   # one process, and the network\n"
    "  callpoint drill kiosk.toml --minutes 30 --seed 1     # a soak: by chance, until it is over\n"
    "\n\b\nFaults:\n"
    "  kill       SIGKILL\n"
    "  stop       SIGSTOP, until it is found and replaced\n"
    "  hang       the main thread stands still, until it is found and replaced\n"
    "  slow       stopped three quarters of the time, for 2 s\n"
    "  corrupt    garbage on the terminal's sockets\n"
    "  disk-full  every write of the history is refused, for 3 s\n"
    "  unplug     the microphone is pulled out, for 3 s\n"
    "  offline    no packet of the room passes, for 3 s (LiveKit, root and nft)\n"
    "  drop       20 % of the room's packets are dropped, for 5 s (LiveKit, root and nft)\n"
    "\n\b\nTargets: any actor, and\n"
    "  of kill       supervisor too, which is then started again\n"
    "  of corrupt    no actor but a socket: control, mic, router, speaker, supervisor, and in the\n"
    "                practice room practice\n"
    "  of disk-full  history alone; of unplug audio, of offline and drop room alone\n\n"
    + exit_codes(_CODES),
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--faults",
    metavar="FAULT[:TARGET],...",
    default="",
    help="Only these. Else all that can be done here.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Decides who is hit when. Else by chance.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Faults by chance for so long. Else each once.",
)
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Until the terminal must be itself again.",
)
@with_json
def drill(
    config: Path,
    faults: str,
    seed: int | None,
    minutes: float | None,
    patience: float,
    as_json: bool,
) -> None:
    """Start a terminal of its own as CONFIG describes it, let coded speech be its microphone, do
    things to its processes, and tell what that has cost: which words the agent has not heard, which
    messages were lost or doubled, how long it took to recover. While audio or the supervisor is
    being replaced nobody hears: what was said then is no loss, and stands under AWAY.

    In the practice room the parrot tells what it has heard. On LiveKit the drill itself is the
    agent, in a room of its own, and needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET. The speech has
    no other words than numbers, nothing is played, and the sound is not processed; programs of the
    config are left out. Everything else is as CONFIG says. Progress goes to standard error.
    """
    from actors.runtime.dotted import find_modules_beside
    from actors.settings.load import load
    from supervisor.drill.listener import check_keys
    from supervisor.drill.wishes import check

    find_modules_beside(config)
    settings = load(config)
    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    wishes = tuple(wish.strip() for wish in faults.split(",") if wish.strip())
    with _refusing():
        check(wishes, settings)
        check_keys(settings, os.environ)
    _end_as_by_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    with _folder() as folder:
        _tell(f"seed {seed}, log {folder / 'terminal.log'}")
        with _running(settings, folder, patience) as terminal:
            report = _hurt(terminal, wishes, seed, minutes)
        _show(report, seed, as_json=as_json)
        raise click.exceptions.Exit(_code(report, wishes))


def _end_as_by_ctrl_c(*signals: signal.Signals) -> None:
    """What was done is undone and reported. Once: a terminal window that is closed says it twice,
    and the second is not to disturb that.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in signals:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(each, end)


@contextmanager
def _folder() -> Iterator[Path]:
    """Of one drill; kept, and that is said, when there is something in it to look at."""
    folder = Path(tempfile.mkdtemp(prefix="callpoint-drill-"))
    code = exits.INTERNAL
    try:
        yield folder
    except click.exceptions.Exit as ended:
        code = ended.exit_code
        raise
    except Failure as failure:
        code = failure.code
        raise
    except KeyboardInterrupt:
        code = ENDED
        raise Failure(_CODES[ENDED], code=ENDED) from None
    finally:
        if code in (0, ENDED, exits.CONFIG):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _tell(f"{_CODES.get(code, 'a fault of callpoint itself')}; kept in {folder}")


def _tell(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """What is asked for and is not there."""
    from actors.settings.credentials import CredentialsError
    from supervisor.drill.wishes import UnknownFault

    try:
        yield
    except (UnknownFault, CredentialsError) as error:
        raise Failure(error.reason, error.remedy, exits.CONFIG) from None


@contextmanager
def _running(settings: "Settings", folder: Path, patience_s: float) -> "Iterator[SpeakingTerminal]":
    """A terminal in conversation; when it ends over what is done to it, that is told."""
    from actors.runtime.errors import OrderFailed
    from supervisor.drill.launched import LaunchFailed
    from supervisor.drill.speaking import SpeakingTerminal

    code = exits.CANNOT_START
    try:
        with SpeakingTerminal(settings, folder, patience_s=patience_s) as terminal:
            terminal.begin()
            code = NOT_RECOVERED
            yield terminal
    except LaunchFailed as error:
        raise Failure(str(error), code=code) from None
    except OrderFailed as error:
        raise Failure(error.reason, error.remedy, code) from None


def _hurt(
    terminal: "SpeakingTerminal", wishes: tuple[str, ...], seed: int, minutes: float | None
) -> "Report":
    from supervisor.drill.drill import Drill
    from supervisor.drill.plan import for_ever, once_each
    from supervisor.drill.wishes import cannot, chosen, possible

    blows, impossible = possible(terminal.scene)
    not_done = cannot(wishes, impossible)
    doable = [wish for wish in wishes if wish.partition(":")[0] not in not_done]
    with _refusing():
        wanted = chosen(doable, blows) if doable or not wishes else ()
    for name, why in not_done.items():
        _tell(f"{name} not done: {why}")
    steps = once_each(wanted, seed) if minutes is None else for_ever(wanted, seed)
    seconds = None if minutes is None else 60 * minutes
    return Drill(terminal, steps, seconds, _tell, dict(not_done)).run()


def _show(report: "Report", seed: int, *, as_json: bool) -> None:
    from supervisor.drill.report import as_dict, as_text

    shown = json.dumps(as_dict(report, seed), indent=2) if as_json else as_text(report, seed)
    click.echo(shown)


def _code(report: "Report", wishes: tuple[str, ...]) -> int:
    if not report.recovered:
        return NOT_RECOVERED
    if not report.lost_nothing:
        return LOST
    if report.not_done and (wishes or not report.struck):
        return NOT_DONE
    return GROWN if report.grown else 0
