"""Where a terminal of one's own gets a token for each join."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from actors.messages import TokenOptions, TokenResponse
from actors.settings.credentials import API_KEY, API_SECRET, HEADERS, SANDBOX_ID, TOKEN, URL

if TYPE_CHECKING:
    from actors.runtime.token_function import TokenFunction

__all__ = ["TokenOptions", "TokenResponse", "TokenSource"]


@dataclass(frozen=True)
class TokenSource:
    """Made by one of the methods below. What is secret in it reaches the terminal through the
    environment of its process, and is in no file, on no command line and in no log.
    """

    livekit: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the config's section."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For the terminal's process."""
    function: "TokenFunction | None" = None
    """Of this program."""

    @classmethod
    def from_environment(cls) -> "TokenSource":
        """Signed by the terminal with LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."""
        return cls()

    @classmethod
    def local(cls, url: str, api_key: str, api_secret: str) -> "TokenSource":
        """The same with these."""
        return cls(environment={URL: url, API_KEY: api_key, API_SECRET: api_secret})

    @classmethod
    def literal(cls, server_url: str, participant_token: str) -> "TokenSource":
        """A token that was made elsewhere: for its room and identity, as long as it is good."""
        return cls({"url": server_url, "token_source": "literal"}, {TOKEN: participant_token})

    @classmethod
    def endpoint(cls, address: str, headers: Mapping[str, str] | None = None) -> "TokenSource":
        """POST to this http(s) address, as LiveKit's SDKs do."""
        environment = {HEADERS: json.dumps(dict(headers))} if headers else {}
        return cls({"token_endpoint": address}, environment)

    @classmethod
    def development(cls, sandbox_id: str, address: str = "") -> "TokenSource":
        """LiveKit's development token server, where whoever knows the id gets a token; ``address``:
        another one than LiveKit's own.
        """
        return cls(
            {"token_source": "development", "token_endpoint": address}, {SANDBOX_ID: sandbox_id}
        )

    @classmethod
    def custom(cls, function: "TokenFunction") -> "TokenSource":
        """A function of this program, from :class:`TokenOptions` to a :class:`TokenResponse`: a
        coroutine function runs in the session's loop, any other in a thread, for 10 s at most.

        The terminal asks it for every join, as long as a session object is open that has it. What
        it raises ends here, in this program's log: the terminal is told the type, and the session
        has error ``connection`` if this was the first join, else it is tried again.
        """
        return cls({"token_source": "program"}, function=function)

    @classmethod
    def practice(cls) -> "TokenSource":
        """No server: an embedded room with a parrot for an agent."""
        return cls({"backend": "practice"})

    def cached(self) -> "TokenSource":
        """The same, a token being used again for the same room and participant until a minute
        before its end, or until the server refuses it.
        """
        return replace(self, livekit={**self.livekit, "token_caching": True})
