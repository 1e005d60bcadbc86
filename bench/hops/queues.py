"""multiprocessing.Queue, from producer to consumer; or through a process between two of them."""

import multiprocessing
import time
from multiprocessing.queues import Queue

from . import plan, roles


def _receive(inbox: "Queue[bytes]") -> None:
    listener = plan.Listener()
    while not listener.done:
        listener.hear(inbox.get())
    print(listener.told(), flush=True)


def _pass_on(inbox: "Queue[bytes]", out: "Queue[bytes]") -> None:
    while True:
        out.put(inbox.get())


def main() -> None:
    """Entry."""
    hops, _, _ = roles.arguments()
    context = multiprocessing.get_context("spawn")
    first: Queue[bytes] = context.Queue()
    last: Queue[bytes] = first if hops == "1" else context.Queue()
    receiver = context.Process(target=_receive, args=(last,))
    receiver.start()
    if hops == "2":
        context.Process(target=_pass_on, args=(first, last), daemon=True).start()
    for phase, index, pause in plan.paced():
        if pause:
            time.sleep(pause)
        first.put(plan.payload(phase, index))
    receiver.join()


if __name__ == "__main__":
    main()
