"""A conversation from its start to its end, as in the first of the seed's examples."""

from actors import Session, SessionOptions, TokenSource


async def main(token_source: TokenSource, options: SessionOptions) -> None:
    session = Session.with_agent("my-agent", token_source=token_source, options=options)
    await session.start()
    if session.is_connected:
        print("Connected to agent")
    await session.end()
    await session.close()
