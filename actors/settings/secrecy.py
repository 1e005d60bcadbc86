"""Keys whose value would be a secret: such a config is refused, and its value never shown."""

import re

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SECRET_ENDINGS = {
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "credential",
    "credentials",
}
_SECRET_NAMES = {"apikey", "api_key", "private_key", "access_key", "secret_key"}

LIVEKIT_REMEDY = (
    "take it out of the file; it comes from LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the"
    " environment, or from the file that CALLPOINT_CREDENTIALS_FILE names"
)
REMEDY = "take it out of the file; let the actor read it from the environment"


def is_secret(key: str) -> bool:
    """``api_secret``, ``apiSecret``, ``token``, ``db-password``; not ``token_endpoint``."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return bool(words) and (words[-1] in _SECRET_ENDINGS or "_".join(words) in _SECRET_NAMES)
