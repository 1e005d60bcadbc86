"""The first steps of a process that the fork server has forked, on its way to be a child."""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from actors.runtime import kin
from actors.runtime.entry import run_child
from actors.runtime.spec import ChildSpec

EXIT_NO_PROGRAM = 127
"""As a shell has it: the program cannot be run."""

_TO_DEFAULT = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What Python or the fork server have changed, and exec would hand on."""


@dataclass(frozen=True)
class ProgramJob:
    """What a program is started with; pickled to the fork server as :class:`ChildSpec` is."""

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    """All of it. May hold secrets: never shown."""
    directory: str
    """Empty: as it is."""


def actor(spec: ChildSpec, output: int, first_word: int, heart: int) -> None:
    """Be an actor. ``output``: descriptor that stands for standard output and error from now on;
    ``first_word``: of a pipe to the supervisor; ``heart``: of :class:`actors.runtime.heart.Heart`.
    """
    _be_a_child(output)
    os.set_inheritable(first_word, False)
    run_child(spec, first_word, heart)


def program(job: ProgramJob, output: int, first_word: int) -> NoReturn:
    """Become a program. ``first_word``: descriptor of a pipe that gets the reason when it cannot be
    run, and is closed without a word when it runs.
    """
    _be_a_child(output)
    os.set_inheritable(first_word, False)
    try:
        for number in _TO_DEFAULT:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever started us may block some
        if job.directory:
            os.chdir(job.directory)
        os.execvpe(job.command[0], list(job.command), dict(job.environ))  # noqa: S606  # no shell
    except OSError as error:
        os.write(first_word, f"{job.command[0]}: {error.strerror}".encode())
    os._exit(EXIT_NO_PROGRAM)


def _be_a_child(output: int) -> None:
    os.setsid()  # Ctrl-C and a hang-up are for the supervisor alone
    kin.become_subreaper()
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
