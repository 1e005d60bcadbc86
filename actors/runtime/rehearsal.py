"""What a child does in its first moments, done once by a process that still waits for its job.

After a fork each page is copied when it is first written to, and code that has not yet run is cold.
With it a child is Ready in little more than half the time.
"""

import asyncio
import importlib.util
import logging
import os
import pickle
import signal
from pathlib import Path

from actors.messages import Ready, Welcome
from actors.messages.codec import encode
from actors.settings import Settings

from .bus import Bus, Context
from .host import Host
from .logs import configure
from .post import ROUTER, Post
from .spec import ChildSpec

_NOWHERE = Path("/proc/self/nowhere")
"""Where nobody can have a socket."""
_NAME = "nobody"


def rehearse(loop: asyncio.AbstractEventLoop, context: Context) -> None:
    """Nothing of it is seen from outside or left behind."""
    spec = ChildSpec(
        _NAME, _NAME, 0, _NOWHERE, Settings().to_plain(), {}, 0, environ=dict(os.environ)
    )
    told = pickle.loads(pickle.dumps(spec))  # noqa: S301  # our own
    loop.run_until_complete(_scene(Host(told, context=context), context))
    importlib.util.find_spec(_NAME)  # looks into every place that modules come from
    _write_down()


async def _scene(host: Host, context: Context) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, host.request_stop)
    loop.remove_signal_handler(signal.SIGTERM)
    bus = Bus(_NOWHERE, context)
    lane = bus.connect("dealer", _NAME, lambda *_: None, identity=_NAME)
    post = Post(bus, _NAME, lambda _envelope: None)
    joining = loop.create_task(post.join(()))
    await asyncio.sleep(0)
    post.on_frame(b"", encode(Welcome(1), kind="tell", sender=ROUTER, to=_NAME))
    await joining
    lane.send(encode(Ready(1), kind="tell", sender=_NAME, to=_NAME))
    post.close()
    bus.close_lanes()


def _write_down() -> None:
    configure(_NAME)
    (handler,) = logging.getLogger().handlers
    handler.format(logging.makeLogRecord({"msg": _NAME}))
