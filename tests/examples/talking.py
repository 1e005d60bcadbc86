"""Starting and ending, and the agent's state."""

from actors import Session


async def talk(session: Session) -> None:
    await session.start()
    if session.is_connected:
        print("Connected to agent")

    agent = await session.agent.wait_until_connected()
    if agent.is_connected:
        print("Agent is connected")

    match agent.state:
        case "listening":
            print("Agent is listening")
        case "thinking":
            print("Agent is processing")
        case "speaking":
            print("Agent is speaking")
        case "initializing":
            print("Agent is initializing")
        case "idle":
            print("Agent is idle")

    if agent.audio_track:
        print("Its voice is played by the terminal")

    await session.end()
