"""The end of the preload, in the fork server alone: what is made at the first use is made here.

A child would make each of it again, on pages of its own: half a MB and 2 ms a child.
"""

import asyncio
import gc

from actors.messages import Heartbeat, Join, Ready, Welcome
from actors.messages.codec import decode, encode
from actors.settings import Settings

_OFTEN = 10
"""From the eighth call on, CPython rewrites a function's code in place."""


async def _nothing() -> None:
    asyncio.get_running_loop().call_later(0.0, lambda: None)
    await asyncio.create_task(asyncio.sleep(0))


for _ in range(_OFTEN):
    Settings.from_plain(Settings().to_plain())
    for message in (Ready(1), Heartbeat(1, 0), Join(()), Welcome(1)):
        decode(encode(message, kind="tell", sender="preload"))
    asyncio.run(_nothing())

gc.enable()
gc.collect()
gc.freeze()  # a collection in a child would else write to every page that it shares
