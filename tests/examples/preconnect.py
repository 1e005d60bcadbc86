"""Pre-connect audio: what is said before the agent is there reaches it."""

from actors import Session, SessionOptions, TokenSource


async def speak_early(tokens: TokenSource, microphone: str = "default") -> None:
    options = SessionOptions(pre_connect_audio=True, input=microphone, output="none")
    async with Session.with_agent("my-agent", token_source=tokens, options=options) as session:
        await session.start()
        if session.agent.can_listen:
            print("Agent can hear buffered audio")
