// The orb, its words, and what hangs on the state of the session: which controls can be used.

import { isMuted, loudness } from "./model.js";
import { downFor, errorFor, hintFor, hintForLine, keptFor, wordFor } from "./words.js";

const FADE_MS = 1000; // without a new level for so long, the meter falls to nothing
const PATIENCE_MS = 1500; // a restart is mostly over before anyone need read of it

const part = (id) => document.getElementById(id);
const [terminal, word, hint, mute, call, text, send, meter, banner, trouble, dismiss] = [
  "terminal", "word", "hint", "mute", "call", "text", "send", "meter", "banner", "trouble",
  "dismiss",
].map(part);

let fading = 0;
let waiting = 0;
let downShown = "";
let ours = ""; // what the banner says of our own or the session's error: can be dismissed

function put(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/**
 * `open`: the line stands; `lost`: it has not for a while; `refusal`: of the last order;
 * `isBusy(...types)`: whether such an order is under way.
 */
export function paintStage(model, { open, lost, refusal }, isBusy) {
  const session = model.session;
  const muted = isMuted(model);
  const connected = session?.is_connected ?? false;
  const usable = open && session !== null;
  const data = document.body.dataset;
  data.line = open ? "open" : model.page ? "lost" : "opening";
  // What was last heard may no longer be so: without a line the page speaks of itself.
  const face = lost ? "reconnecting" : session?.face ?? "connecting";
  data.face = face;
  data.muted = muted;
  data.live = connected;
  put(terminal, model.terminal || "callpoint");
  put(word, wordFor(face));
  put(hint, session && !lost ? hintFor(session, muted, model.audio?.listens) : hintForLine(lost));

  // An order under way takes no focus away, as disabling the button would.
  mute.disabled = !usable;
  mute.setAttribute("aria-busy", String(isBusy("mute")));
  mute.setAttribute("aria-pressed", String(muted));
  call.disabled = !usable;
  call.setAttribute("aria-busy", String(isBusy("start", "end")));
  put(call, connected ? "End" : "Start");
  text.disabled = !connected; // what is typed while the line is down is sent when it stands again
  text.placeholder = connected ? "Type a message" : "Start a conversation to type";
  send.disabled = text.disabled || text.value.trim() === "";
  ours = refusal || errorFor(session);
  watchDown(model);
  paintTrouble(model);
}

function paintTrouble(model) {
  const said = ours || model.audio?.error || downShown || keptFor(model.audio);
  put(trouble, said);
  banner.hidden = said === "";
  dismiss.hidden = ours === "";
}

function watchDown(model) {
  clearTimeout(waiting);
  if (model.down.length === 0) {
    downShown = "";
  } else if (downShown) {
    downShown = downFor(model.down);
  } else {
    waiting = setTimeout(() => {
      downShown = downFor(model.down);
      paintTrouble(model);
    }, PATIENCE_MS);
  }
}

/** Levels come several times a second and touch nothing but the meter and the orb. */
export function paintLevel(level) {
  clearTimeout(fading);
  const heard = loudness(level.input);
  const style = document.body.style;
  style.setProperty("--in", heard.toFixed(3));
  style.setProperty("--out", loudness(level.output).toFixed(3));
  meter.setAttribute("aria-valuenow", String(Math.round(heard * 100)));
  if (heard > 0 || level.output > -120) {
    fading = setTimeout(() => paintLevel({ input: -120, output: -120 }), FADE_MS);
  }
}
