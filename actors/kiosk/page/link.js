// The line to the kiosk: one WebSocket, opened again for ever.

const FIRST_WAIT_MS = 200; // a restarted kiosk is back within half a second
const LONGEST_WAIT_MS = 5000;
const SILENCE_MS = 12000; // the kiosk says something every 5 s, if only "beat"

/**
 * Keep a line open. `onFrame(frame)` gets every frame; `onLine(open)` is told of each change. An
 * open line is only called so once its first frame, the snapshot, is there.
 * Returns `send(order)`, which says whether it was sent.
 */
export function openLink({ onFrame, onLine }) {
  let socket = null;
  let open = false;
  let wait = FIRST_WAIT_MS;
  let retry = 0;
  let silence = 0;

  function setOpen(now) {
    if (now !== open) {
      open = now;
      onLine(open);
    }
  }

  function connect() {
    clearTimeout(retry);
    const address = new URL("ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const ours = (socket = new WebSocket(address));
    heard(ours);
    ours.onmessage = (event) => {
      if (ours !== socket) return;
      heard(ours);
      const frame = JSON.parse(event.data);
      onFrame(frame);
      if (frame.type === "snapshot") {
        wait = FIRST_WAIT_MS;
        setOpen(true);
      }
    };
    ours.onclose = () => lost(ours);
  }

  function heard(ours) {
    clearTimeout(silence);
    silence = setTimeout(() => {
      ours.close();
      lost(ours); // without waiting for a peer that may hang
    }, SILENCE_MS);
  }

  function lost(ours) {
    if (ours !== socket) return;
    socket = null;
    clearTimeout(silence);
    setOpen(false);
    // Half of the wait is chance, so that many pages do not all come back at once.
    retry = setTimeout(connect, wait * (0.5 + Math.random() / 2));
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }

  function hurry() {
    if (socket === null && document.visibilityState === "visible") {
      wait = FIRST_WAIT_MS;
      connect();
    }
  }
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);

  connect();
  return (order) => {
    if (!open || socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(order));
    return true;
  };
}
