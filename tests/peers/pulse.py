"""A sound card without hardware: a PulseAudio daemon of our own with a microphone and a speaker."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from supervisor.drill.chords import Pcm
from supervisor.drill.launched import Launched, LaunchFailed

RATE = 48000
"""Of the card; what is played at another rate is converted by PulseAudio."""
READY_DEADLINE_S = 10.0
PLAY_DEADLINE_S = 120.0
AUDIBLE = 300
"""Of an int16 sample: 41 dB below full scale."""
LATENCY_MS = 20
"""Asked of PulseAudio by our clients; without, it buffers two seconds."""
NULL_SINK = f"norewinds=1 rate={RATE} channels=1 format=s16le"
"""Where a null sink may rewind, its monitor is up to two seconds late."""
HUM_DB = -60
"""Of full scale: a microphone that works is never quite silent, and is taken for deaf if it is."""
STARTUP = f"""\
load-module module-native-protocol-unix auth-anonymous=1 socket={{socket}}
load-module module-null-sink sink_name=microphone {NULL_SINK}
load-module module-null-sink sink_name=speaker {NULL_SINK}
set-default-sink speaker
set-default-source microphone.monitor
load-module module-sine sink=microphone frequency=50
set-sink-input-volume 0 {round(65536 * 10 ** (HUM_DB / 60))}
"""
"""A stream that nobody has placed would move to a new default: the hum comes last."""
ALSA = """\
pcm.!default { type pulse server "SOCKET" }
ctl.!default { type pulse server "SOCKET" }
"""


class PulseAudio:
    """The daemon, ready inside the `with` block. Works as root, without D-Bus and beside others.

    Args:
        folder: for its socket, state, log and configuration; its path must be short enough for a
            Unix socket (107 bytes in all).

    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "pulseaudio.log"
        self._folder = folder / "pulse"
        self._socket = self._folder / "socket"
        self._process: Launched | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Over the environment of a program, so that its default devices are these.

        For PortAudio and ALSA through libasound2-plugins, and for PulseAudio's own clients.
        """
        return {
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_STATE_PATH": str(self._folder),
            "PULSE_COOKIE": str(self._folder / "cookie"),
            "PULSE_LATENCY_MSEC": str(LATENCY_MS),
            "ALSA_CONFIG_PATH": str(self._folder / "asound.conf"),
        }

    def start(self) -> None:
        """Start, and return when both devices are there.

        Raises:
            LaunchFailed: it ended, or was not ready within 10 s.

        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        (self._folder / "startup.pa").write_text(STARTUP.format(socket=self._socket))
        server = f"unix:{self._socket}"
        (self._folder / "asound.conf").write_text(ALSA.replace("SOCKET", server))
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        quiet = ["--disable-shm=yes", "--log-target=stderr", "--log-level=notice"]
        private = {"XDG_RUNTIME_DIR": str(self._folder), "HOME": str(self._folder)}
        # It would look for itself at the address that its clients are given.
        inherited = {
            k: v for k, v in (os.environ | self.environment).items() if k != "PULSE_SERVER"
        }
        self._process = Launched(
            "pulseaudio",
            [*command, *quiet, "-F", self._folder / "startup.pa"],
            self.log,
            env=inherited | private,
        )
        try:
            self._process.wait_until(self._is_ready, deadline_s=READY_DEADLINE_S)
        except LaunchFailed:
            self.stop()
            raise

    def stop(self) -> None:
        """End it. Does nothing when it is not running."""
        if self._process:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """Pull the plug: its clients see the devices vanish."""
        if self._process:
            self._process.kill()
            self._process = None

    def hang(self) -> None:
        """Its clients get nothing any more, neither samples nor an error; until :meth:`kill`."""
        if self._process:
            os.kill(self._process.pid, signal.SIGSTOP)

    def echo(self, latency_ms: int) -> None:
        """From now on the microphone hears the speaker, so much later.

        Raises:
            CalledProcessError: PulseAudio refuses.

        """
        ends = ["source=speaker.monitor", "sink=microphone", f"latency_msec={latency_ms}"]
        self._run("pactl", "load-module", "module-loopback", *ends)

    def switch_off(self, off: bool) -> None:
        """The microphone's own switch: off, it gives only zeros.

        Raises:
            CalledProcessError: PulseAudio refuses.

        """
        self._run("pactl", "set-source-mute", "microphone.monitor", str(int(off)))

    def suspend(self, suspended: bool, sink: str = "microphone") -> None:
        """The microphone gives (or the speaker takes) no samples any more, and no error.

        Raises:
            CalledProcessError: PulseAudio refuses.

        """
        self._run("pactl", "suspend-sink", sink, str(int(suspended)))

    def add_microphone(self, name: str) -> None:
        """Another one, which becomes the default.

        Raises:
            CalledProcessError: PulseAudio refuses.

        """
        self._run(
            "pactl", "load-module", "module-null-sink", f"sink_name={name}", *NULL_SINK.split()
        )
        self._run("pactl", "load-module", "module-sine", f"sink={name}", "frequency=50")
        hum = self._ask("pactl", "list", "short", "sink-inputs").splitlines()[-1].split()[0]
        self._run("pactl", "set-sink-input-volume", hum, f"{HUM_DB}dB")
        self._run("pactl", "set-default-source", f"{name}.monitor")

    def speak(self, wav: Path) -> None:
        """Play a WAV file into the microphone, and return when it is over.

        Raises:
            CalledProcessError: it could not be played.

        """
        self._run("paplay", "--device=microphone", str(wav))

    def speak_pcm(self, pcm: Pcm, rate: int, microphone: str = "microphone") -> None:
        """Play int16 samples, shape (samples,), into a microphone; returns when it is over.

        Raises:
            CalledProcessError: it could not be played.

        """
        form = ["--raw", "--format=s16le", "--channels=1", f"--rate={rate}"]
        device = f"--device={microphone}"
        self._run("paplay", device, *form, "/dev/stdin", given=pcm.tobytes())

    def record_speaker(self) -> "Recording":
        """What is played to the speaker; to be used with `with`."""
        return Recording("speaker.monitor", self._client_environment())

    def record_microphone(self) -> "Recording":
        """What the microphone gives; to be used with `with`."""
        return Recording("microphone.monitor", self._client_environment())

    def _run(self, *command: str, given: bytes | None = None) -> None:
        environment = self._client_environment()
        subprocess.run(
            command,
            check=True,
            env=environment,
            timeout=PLAY_DEADLINE_S,
            input=given,
            stdout=subprocess.DEVNULL,
        )

    def _ask(self, *command: str) -> str:
        environment = self._client_environment()
        asked = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
        return asked.stdout

    def _client_environment(self) -> dict[str, str]:
        return os.environ | self.environment

    def _is_ready(self) -> bool:
        ask = ["pactl", "list", "short", "sinks"]
        said = subprocess.run(
            ask, env=self._client_environment(), capture_output=True, text=True, check=False
        )
        return "microphone" in said.stdout and "speaker" in said.stdout


class Recording:
    """Samples of a source, from the first one that arrives until the end of the `with` block."""

    rate = RATE

    def __init__(self, source: str, environment: dict[str, str]) -> None:
        self._command = ["parec", f"--device={source}", "--raw", "--format=s16le", "--channels=1"]
        self._environment = environment
        self._chunks: list[tuple[float, bytes]] = []
        """With the moment of arrival, monotonic seconds."""
        self._grew = threading.Condition()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, f"--rate={RATE}", f"--latency-msec={LATENCY_MS}"],
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, name="recording", daemon=True)
        self._reader.start()
        self.wait_for(lambda pcm: len(pcm) > 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._reader.join()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    @property
    def pcm(self) -> Pcm:
        """All until now: int16, shape (samples,), 48 kHz."""
        with self._grew:
            raw = b"".join(chunk for _, chunk in self._chunks)
        return np.frombuffer(raw[: len(raw) // 2 * 2], np.int16)

    def wait_for(
        self, probe: Callable[[Pcm], bool], *, deadline_s: float = READY_DEADLINE_S
    ) -> None:
        """Wait until `probe` says yes to what has been recorded.

        Raises:
            TimeoutError: it did not within the deadline.

        """
        end = time.monotonic() + deadline_s
        while not probe(self.pcm):
            with self._grew:
                if not self._grew.wait(end - time.monotonic()):
                    raise TimeoutError(f"not recorded within {deadline_s:.0f} s")

    def wait_for_sound(self, *, seconds: float = 0.1, deadline_s: float = READY_DEADLINE_S) -> None:
        """Wait until so much of it is not silent.

        Raises:
            TimeoutError: it did not within the deadline.

        """
        wanted = int(seconds * RATE)
        self.wait_for(
            lambda pcm: int(np.count_nonzero(np.abs(pcm) > AUDIBLE)) >= wanted,
            deadline_s=deadline_s,
        )

    def wait_for_silence(
        self, *, seconds: float = 1.5, deadline_s: float = READY_DEADLINE_S
    ) -> None:
        """Wait until the last so many seconds are silent: longer than a busy machine stands still.

        Raises:
            TimeoutError: they were not within the deadline.

        """
        count = int(seconds * RATE)
        self.wait_for(
            lambda pcm: len(pcm) >= count and not np.any(np.abs(pcm[-count:]) > AUDIBLE),
            deadline_s=deadline_s,
        )

    def _read(self) -> None:
        assert self._process.stdout
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            with self._grew:
                self._chunks.append((time.monotonic(), chunk))
                self._grew.notify_all()
