// The page: frames in, orders out.

import { openLink } from "./link.js";
import { emptyModel, fold, isMuted } from "./model.js";
import { paintLevel, paintStage } from "./stage.js";
import { paintTalk, startAnew } from "./talk.js";

const PATIENCE_MS = 1000; // a kiosk that was killed is back before anyone need read of it

const part = (id) => document.getElementById(id);
const text = part("text");

const model = emptyModel();
const page = { open: false, lost: false, refusal: "" };
const asked = new Map(); // orders under way: id -> {type, message}
// Typed and not yet answered for, in doubt, or kept: message id -> {text, doubtful, kept}.
const unsent = new Map();
let anyKept = false;
let lastId = 0;
let due = false;
let patience = 0;

function paint() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    paintStage(model, page, isBusy);
    paintTalk(model.messages, unsent);
  });
}

// -- orders ---------------------------------------------------------------------------------------

const send = openLink({
  onFrame(frame) {
    if (frame.type === "ok" || frame.type === "error") return answered(frame);
    if (frame.type === "snapshot" && model.page && frame.page !== model.page) {
      location.reload(); // the kiosk was updated
      return;
    }
    fold(model, frame);
    forgetKept();
    if (frame.type === "level") return paintLevel(model.level);
    if (frame.type === "snapshot") startAnew();
    paint();
  },
  onLine(open) {
    page.open = open;
    page.lost = false;
    clearTimeout(patience);
    if (!open) patience = setTimeout(tellLost, PATIENCE_MS);
    asked.clear(); // answers do not come over another line
    if (open) sayAgain();
    else paintLevel({ input: -120, output: -120 });
    paint();
  },
});

function tellLost() {
  page.lost = true;
  paint();
}

function isBusy(...types) {
  return [...asked.values()].some((order) => types.includes(order.type));
}

function order(type, fields = {}) {
  const id = ++lastId;
  if (!send({ type, id, ...fields })) return;
  asked.set(id, { type, ...fields });
  forgetRefusal();
  paint();
}

function say(message, text) {
  // Known again by its id: said twice after a lost answer, it is sent once.
  if (model.messages.has(message)) unsent.delete(message);
  else order("say", { text, message });
}

function sayAgain() {
  for (const [message, { text, doubtful }] of unsent) if (!doubtful) say(message, text);
}

function answered({ id, type, reason, remedy, in_doubt, kept }) {
  const order = asked.get(id);
  asked.delete(id);
  if (type === "error") page.refusal = [reason, remedy].filter(Boolean).join(": ");
  if (order?.type === "say") {
    if (kept) unsent.get(order.message).kept = true; // until it is in the list
    else if (in_doubt) unsent.get(order.message).doubtful = true; // typed again, it may be doubled
    else unsent.delete(order.message);
    const isRefused = type === "error" && !in_doubt;
    if (isRefused && text.value === "") text.value = order.text; // to try again
  }
  paint();
}

// Of an order, and of a text in doubt: it has been read by whoever goes on.
function forgetRefusal() {
  page.refusal = "";
  for (const [message, { doubtful }] of unsent) if (doubtful) unsent.delete(message);
}

// They are sent, and in the list, or given up, which the banner says.
function forgetKept() {
  if (model.session?.kept) {
    anyKept = true;
  } else if (anyKept) {
    anyKept = false;
    for (const [message, { kept }] of unsent) if (kept) unsent.delete(message);
  }
}

function newId() {
  // crypto.randomUUID is only there on secure origins; a page on a bare LAN address has none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// -- what people do -------------------------------------------------------------------------------

part("call").addEventListener("click", () => {
  if (!isBusy("start", "end")) order(model.session?.is_connected ? "end" : "start");
});
part("mute").addEventListener("click", () => {
  if (!isBusy("mute")) order("mute", { muted: !isMuted(model) });
});
part("dismiss").addEventListener("click", () => {
  if (page.refusal) forgetRefusal();
  else order("dismiss");
  paint();
  text.focus();
});
text.addEventListener("input", paint);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    part("composer").requestSubmit();
  }
});
part("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = text.value.trim();
  if (typed === "" || text.disabled) return;
  const message = newId();
  unsent.set(message, { text: typed });
  text.value = "";
  text.focus();
  say(message, typed);
  paint();
});

paint();
