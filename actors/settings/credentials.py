"""What is secret of LiveKit: from the environment or a file that only its owner can read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .files import NotRegular, TooOpen, read_regular

URL, API_KEY, API_SECRET = "LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"
TOKEN, SANDBOX_ID = "LIVEKIT_TOKEN", "LIVEKIT_SANDBOX_ID"
HEADERS = "CALLPOINT_TOKEN_HEADERS"
E2EE_KEY = "CALLPOINT_E2EE_KEY"
FILE = "CALLPOINT_CREDENTIALS_FILE"
SYSTEMD_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""systemd.exec(5), LoadCredential=: where a service finds its credentials."""
SYSTEMD_NAME = "livekit.env"
"""Under which name the unit file has to load them."""
SECRETS = (API_KEY, API_SECRET, TOKEN, SANDBOX_ID, HEADERS, E2EE_KEY, FILE, SYSTEMD_DIRECTORY)
"""Names of variables that hold a secret, or lead to one."""

_NAMES = (URL, API_KEY, API_SECRET, TOKEN, SANDBOX_ID, HEADERS, E2EE_KEY)
_MAX_BYTES = 64 * 1024
_GROUP_AND_WORLD, _WORLD = 0o077, 0o007
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class CredentialsError(Exception):
    """The credentials file cannot be taken. Neither text holds anything of its content."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Credentials:
    """What was found; empty what was not."""

    url: str = ""
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    sandbox_id: str = field(default="", repr=False)
    token_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For the token endpoint."""
    e2ee_key: str = field(default="", repr=False)
    """Shared with the agent."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the variables without which no token can be signed here."""
        found = {API_KEY: self.api_key, API_SECRET: self.api_secret}
        return tuple(name for name, value in found.items() if not value)


def load_credentials(environ: Mapping[str, str]) -> Credentials:
    """From the variables named above; what is not there, from the file named by
    CALLPOINT_CREDENTIALS_FILE, else from systemd's ``livekit.env``.

    Raises :class:`CredentialsError` when a file is named that cannot be taken.
    """
    found = _from_file(environ)
    found.update({name: environ[name] for name in _NAMES if environ.get(name)})
    return Credentials(
        url=found.get(URL, ""),
        api_key=found.get(API_KEY, ""),
        api_secret=found.get(API_SECRET, ""),
        token=found.get(TOKEN, ""),
        sandbox_id=found.get(SANDBOX_ID, ""),
        token_headers=_headers(found.get(HEADERS, "")),
        e2ee_key=found.get(E2EE_KEY, ""),
    )


def _headers(text: str) -> dict[str, str]:
    try:
        headers = json.loads(text or "{}")
    except (ValueError, RecursionError):
        headers = None
    if isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values()):
        return headers
    raise CredentialsError(
        f"{HEADERS} is no JSON object of texts", f'write {HEADERS}=\'{{"Name": "value"}}\''
    )


def _from_file(environ: Mapping[str, str]) -> dict[str, str]:
    if named := environ.get(FILE):
        return _parse(Path(named), _read(Path(named), _GROUP_AND_WORLD))
    if directory := environ.get(SYSTEMD_DIRECTORY):
        path = Path(directory) / SYSTEMD_NAME
        if path.exists():
            # systemd grants the service's user access by an ACL, whose mask shows as group bits.
            return _parse(path, _read(path, _WORLD))
    return {}


def _read(path: Path, forbidden_mode: int) -> str:
    try:
        content = read_regular(path, _MAX_BYTES + 1, forbidden_mode)
    except TooOpen:
        raise CredentialsError(
            f"{path} can be read by others than its owner", f"chmod 600 {path}"
        ) from None
    except NotRegular:
        raise CredentialsError(f"{path} is not a regular file", f"check {FILE}") from None
    except OSError as error:
        raise CredentialsError(
            f"{path} cannot be read: {error.strerror}", f"check {FILE}"
        ) from None
    try:
        if len(content) <= _MAX_BYTES:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise CredentialsError(f"{path} is no credentials file", f"its lines are {API_KEY}=...")


def _parse(path: Path, text: str) -> dict[str, str]:
    """KEY=VALUE lines; ``export``, quotes, comments and blank lines as in a shell's file."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if (match := _LINE.fullmatch(line)) is None:
            raise CredentialsError(
                f"{path}:{number}: not KEY=VALUE", f"its lines are {API_KEY}=..."
            )
        found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
