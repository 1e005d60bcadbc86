"""What went wrong, with the session and with its agent."""

from actors import Session


async def tell(session: Session) -> None:
    if error := session.error:
        match error.kind:
            case "connection":
                print("Connection failed:", error.reason)
            case "sender":
                print("Message sender failed:", error.reason)
            case "receiver" | "media":
                print("Receiver or microphone failed:", error.reason)
        await session.dismiss_error()

    match session.agent.error:
        case "timeout":
            print("Agent did not connect to the room")
        case "left":
            print("Agent left the room unexpectedly")
