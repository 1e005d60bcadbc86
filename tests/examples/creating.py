"""Creating a session, and what it can be told: the Agent API's first two examples.

``TokenSource.practice()`` stands in for a LiveKit server; with ``TokenSource.from_environment()``
or ``TokenSource.endpoint(...)`` the same code talks with the agent of one.
"""

from actors import Session, SessionOptions, TokenSource


def create(token_source: TokenSource, microphone: str = "default") -> Session:
    options = SessionOptions(
        pre_connect_audio=True,  # record before anything is connected
        agent_connect_timeout=20,  # seconds
        input=microphone,
        output="none",
    )
    return Session.with_agent("my-agent", token_source=token_source, options=options)
