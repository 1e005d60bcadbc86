"""An actor of one's own: a door opener that follows the conversation.

The config that runs it::

    [actors.door]
    target = "tests.examples.door:Door"
    options = { opens_on = "please open" }
"""

from actors.messages import Custom, Message, MessageChanged
from actors.runtime.actor import Actor
from actors.runtime.errors import OrderFailed, StartError


class Door(Actor):
    """Opens when somebody says the magic words, and on the order ``open``."""

    subscribes = (MessageChanged,)
    essential = False

    async def on_start(self) -> None:
        """Options are checked here, so that a mistake is told before anyone stands at the door."""
        self.magic = self.options.get("opens_on")
        if not isinstance(self.magic, str):
            raise StartError("the door does not know when to open", "set options.opens_on")
        self.opened = 0

    async def on_message(self, message: Message, sender: str) -> Message | None:
        """Facts come because of ``subscribes``; orders because they are addressed to ``door``."""
        match message:
            case MessageChanged(message=said) if said.is_final and str(self.magic) in said.text:
                self._open("words")
            case Custom(topic="open"):
                self._open("order")
            case Custom(topic="count"):
                return Custom("count", {"opened": self.opened})
            case Custom(topic=topic):
                raise OrderFailed("invalid", f"a door cannot {topic}", "try open or count")
        return None

    def _open(self, cause: str) -> None:
        self.opened += 1
        self.log.info("door opened", extra={"cause": cause})
        self.publish(Custom("door-opened", {"cause": cause, "times": self.opened}))
