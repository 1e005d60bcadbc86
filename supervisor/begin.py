"""The first steps of a process that the fork server has forked, on its way to be a child."""

import os
import pickle
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from actors.runtime import kin
from actors.runtime.entry import prepare, run_child
from actors.runtime.rehearsal import rehearse
from actors.runtime.spec import ChildSpec

EXIT_NO_PROGRAM = 127
"""As a shell has it: the program cannot be run."""

_TO_DEFAULT = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What Python, the fork server, or a shell for its background jobs have changed, and exec would
hand on."""


@dataclass(frozen=True)
class ProgramJob:
    """What a program is started with; pickled to the fork server as :class:`ChildSpec` is."""

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    """All of it. May hold secrets: never shown."""
    directory: str
    """Empty: as it is."""


Job = ChildSpec | ProgramJob
"""What a process can be told to be."""


def wait_for_job(
    supervisor_pid: int, output: int, first_word: int, heart: int, job: int, procs: int = -1
) -> None:
    """Be ready for whatever is needed next, and become it.

    Args:
        supervisor_pid: with whom it ends.
        output: descriptor that stands for standard output and error from now on.
        first_word: of a pipe to the supervisor.
        heart: of :class:`actors.runtime.heart.Heart`.
        job: of a pipe from the supervisor: a pickled :data:`Job`, then its end. Nothing: go.
        procs: ``cgroup.procs`` of its own cgroup; -1: there is none.

    """
    _be_a_child(output)
    has_cgroup = procs >= 0 and _enter(procs)
    for fd in (first_word, heart, job):
        os.set_inheritable(fd, False)
    prepared = prepare(supervisor_pid)
    if not select.select([job], [], [], 0)[0]:
        rehearse(prepared.loop, prepared.context)
    with open(job, "rb") as told:
        what = told.read()
    if not what:
        os._exit(0)
    found: Job = pickle.loads(what)  # noqa: S301  # from our own parent, as multiprocess does it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
    if isinstance(found, ChildSpec) or not has_cgroup:
        # A program cannot know that it is one, and waits for nobody that it has adopted: with a
        # cgroup to find these by, they are better off with the fork server.
        kin.become_subreaper()
    if isinstance(found, ChildSpec):
        run_child(found, first_word, heart, prepared)
    else:
        _program(found, first_word)


def _program(job: ProgramJob, first_word: int) -> NoReturn:
    """Become a program. ``first_word``: gets the reason when it cannot be run, and is closed
    without a word when it runs.
    """
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


def _enter(procs: int) -> bool:
    """Before anything else is started, so that all of that is in the cgroup too."""
    try:
        os.write(procs, b"0")
    except OSError as error:  # the supervisor still has its other ways to find what is left
        sys.stderr.write(f"cannot enter its cgroup: {error.strerror}\n")
        return False
    finally:
        os.close(procs)
    return True


def _be_a_child(output: int) -> None:
    os.setsid()  # Ctrl-C and a hang-up are for the supervisor alone
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
