"""multiprocessing.Queue, from producer to consumer; or through a process between two of them."""

import multiprocessing
import time
from multiprocessing.queues import Queue

from . import plan, roles


def _receive(inbox: "Queue[bytes]", back: "Queue[bytes]") -> None:
    listener = plan.Listener()
    while not listener.done:
        content = inbox.get()
        if listener.hear(content):
            back.put(content)
    print(listener.told(), flush=True)


def _pass_on(inbox: "Queue[bytes]", out: "Queue[bytes]") -> None:
    while True:
        out.put(inbox.get())


def main() -> None:
    """Entry."""
    given = roles.arguments()
    context = multiprocessing.get_context("spawn")
    there: Queue[bytes] = context.Queue()
    back: Queue[bytes] = context.Queue()
    far_there, far_back = there, back
    if given.hops == "2":
        far_there, far_back = context.Queue(), context.Queue()
        context.Process(target=_pass_on, args=(there, far_there), daemon=True).start()
        context.Process(target=_pass_on, args=(far_back, back), daemon=True).start()
    receiver = context.Process(target=_receive, args=(far_there, far_back))
    receiver.start()
    for phase, index, pause in plan.messages(given.part, given.folder):
        if pause:
            time.sleep(pause)
        there.put(plan.payload(phase, index))
        if phase == plan.BOUNCING:
            back.get()
    receiver.join()


if __name__ == "__main__":
    main()
