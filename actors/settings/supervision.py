"""The sections that say how processes are started, watched, restarted and stopped."""

from typing import Any, Literal

from .section import Count, Name, PositiveCount, PositiveSeconds, Seconds, Section, Text

RestartType = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Ceiling = PositiveCount | Literal["auto", "off"]


class Group(Section, frozen=True):
    """[supervisor.groups.NAME]: actors and programs whose restarts are counted together: those that
    the terminal cannot do without, and the others.
    """

    strategy: Strategy = "one_for_one"
    """When one dies: one_for_one restarts it alone; one_for_all stops all of the group and starts
    all again; rest_for_one does so with it and those that were started after it. One that
    the terminal can do without, while it cannot start or is in quarantine, neither takes down nor
    delays any that it cannot do without."""


class Supervisor(Section, frozen=True):
    """How processes are started, watched and stopped."""

    start_timeout: PositiveSeconds = 15.0
    """Seconds an actor has until it must be Ready."""
    stop_grace: PositiveSeconds = 5.0
    """Seconds an actor has to drain, then SIGTERM; half of it more, then SIGKILL."""
    backoff_initial: PositiveSeconds = 0.1
    """Seconds before the second restart (the first is at once); doubled each time."""
    backoff_max: PositiveSeconds = 10.0
    """Longest wait between restarts, in seconds."""
    backoff_reset: PositiveSeconds = 30.0
    """Seconds an actor must run, once it is Ready, for its next crash to count as the first
    again."""
    intensity: Count = 20
    """Restarts within the period that are borne. With one more, what the terminal can do without
    goes into quarantine; for anything else the terminal ends with exit code 80, to be started
    afresh by systemd."""
    period: PositiveSeconds = 120.0
    """Seconds over which restarts are counted."""
    quarantine: PositiveSeconds = 60.0
    """Seconds until what is in quarantine is tried once again; doubled each time, up to an hour."""
    slow_after: PositiveSeconds = 3.0
    """Seconds without a heartbeat after which an actor is said to be slow; a third of it is the
    time between two heartbeats."""
    stuck_after: PositiveSeconds = 10.0
    """Seconds without a heartbeat after which an actor's stacks are dumped into the log and it is
    killed and restarted."""
    groups: dict[Name, Group] = {}
    """Groups of actors and programs that share their restarts."""


class Supervised(Section, frozen=True):
    """What can be said of actors and programs alike."""

    restart: RestartType = "permanent"
    """permanent: started again whenever it has ended; transient: unless it ended by itself with
    exit code 0; temporary: never."""
    group: str = ""
    """The [supervisor.groups.NAME] it belongs to. Empty: it is restarted alone."""
    start_timeout: Seconds = 0.0
    """Seconds until it must be Ready. 0: as in [supervisor]."""
    stop_grace: Seconds = 0.0
    """Seconds it has to end when it is asked to. 0: as in [supervisor]."""
    memory_mib: Ceiling = "auto"
    """Resident MiB past which a warning is logged, and it is restarted as soon as it says that this
    disturbs nobody (a program is not asked). "auto": known for built-in actors, else off."""
    memory_max_mib: Ceiling = "auto"
    """Resident MiB past which it is restarted at once."""
    cpu_percent: Ceiling = "auto"
    """Percent of a core, over a minute, past which a warning is logged, and it is restarted as soon
    as it says that this disturbs nobody."""
    cpu_max_percent: Ceiling = "auto"
    """Percent of a core, over a minute, past which it is restarted at once."""


class ActorSettings(Supervised, frozen=True):
    """[actors.NAME]: a change to a built-in actor, or an actor of your own."""

    target: str = ""
    """package.module:Class of your own actor, of what is installed or in a file beside this one;
    empty for a built-in one."""
    options: dict[str, Any] = {}
    """Given to the actor as self.options."""
    essential: bool | Literal["auto"] = "auto"
    """The terminal is of no use without it: it ends when this actor cannot start or keeps dying.
    "auto": as the actor's class says."""
    stuck_after: Seconds = 0.0
    """Seconds without a heartbeat until it is killed and restarted. 0: as in [supervisor]."""
    unhealthy_after: PositiveSeconds | Literal["auto", "off"] = "auto"
    """Seconds that it may say it is unwell until it is restarted; doubled as long as that does not
    help. "auto": known for built-in actors, else off."""
    preload: bool = False
    """Import its module before processes are forked, as is done for built-in actors: however much
    it imports, it is back within milliseconds, and the memory is shared. Only for a module whose
    import opens nothing and starts no thread; what is changed in it counts from the next start of
    the terminal on."""


class ProgramSettings(Supervised, frozen=True):
    """[programs.NAME]: any other program that runs with this terminal, under the same rules: the
    browser of a kiosk, a local server. It is asked to end by SIGTERM; what it writes goes into the
    log.
    """

    command: list[Text] = []
    """The program and its arguments; no shell reads them."""
    environment: dict[str, str] = {}
    """Added to the environment, which is that of callpoint without LiveKit's keys."""
    credentials: bool = False
    """Leave LIVEKIT_API_KEY, LIVEKIT_API_SECRET and the paths of credentials in its environment."""
    directory: str = ""
    """Where it runs. Empty: where callpoint was started."""
    starts: Literal["before", "after"] = "after"
    """before or after the actors."""
    ready: str = ""
    """tcp://HOST:PORT or http://HOST:PORT/PATH that must answer before it counts as Ready. Empty:
    it is Ready as soon as it runs."""
    essential: bool = False
    """The terminal is of no use without it: it ends when this program cannot start or keeps
    dying."""
