// The list of messages. Whatever anyone said is only ever set as text, never as markup.

const NEAR_PX = 48; // so close to the end, one reads along

const list = document.getElementById("messages");
const scroller = document.getElementById("scroller");
const newest = document.getElementById("newest");
const spoken = document.getElementById("spoken");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const rows = new Map(); // by key: what stands in the list
let reading = true; // at the end of the list, and to be kept there
let size = ""; // of list and scroller, when last laid out
let announced = null; // ids of final messages that are known, once there was a snapshot

newest.addEventListener("click", () => {
  scroller.scrollTo({ top: scroller.scrollHeight });
  scroller.focus();
});
scroller.addEventListener("scroll", () => {
  if (size !== sizeNow()) return; // not a person: the layout has changed
  reading = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
  if (reading) newest.hidden = true;
});
const observer = new ResizeObserver(() => {
  size = sizeNow();
  if (reading) scroller.scrollTop = scroller.scrollHeight;
});
observer.observe(scroller);
observer.observe(list);

function sizeNow() {
  return `${scroller.scrollHeight} ${scroller.clientHeight}`;
}

/** Show the messages, and after them what was typed and is on its way, or of which nobody knows. */
export function paintTalk(messages, unsent) {
  const wanted = [...rowsOf(messages), ...unsentRows(messages, unsent)];
  const keys = new Set(wanted.map((row) => row.key));
  for (const [key, row] of rows) {
    if (!keys.has(key)) {
      row.element.remove();
      rows.delete(key);
    }
  }
  let grown = false;
  let next = list.firstChild;
  for (const row of wanted) {
    const shown = rows.get(row.key) ?? addRow(row.key);
    grown = update(shown, row) || grown;
    if (shown.element !== next) list.insertBefore(shown.element, next);
    next = shown.element.nextSibling;
  }
  document.body.dataset.empty = String(wanted.length === 0);
  if (grown && reading) scroller.scrollTop = scroller.scrollHeight;
  if (grown && !reading) newest.hidden = false;
  announce(messages);
}

function* rowsOf(messages) {
  let before = null;
  for (const message of messages.values()) {
    if (before === null || before.conversation !== message.conversation) {
      yield {
        key: `divider ${message.id}`,
        classes: "divider",
        text: day.format(message.timestamp * 1000),
      };
      before = null;
    }
    const side = message.kind === "agent_transcript" ? "agent" : "user";
    const sideBefore = before && (before.kind === "agent_transcript" ? "agent" : "user");
    yield {
      key: message.id,
      classes: [
        "message",
        side,
        message.is_final ? "final" : "interim",
        sideBefore === side ? "same" : "",
      ].join(" "),
      text: message.text,
      who: side === "agent" ? "Agent" : "You",
      time: clock.format(message.timestamp * 1000),
    };
    before = message;
  }
}

function* unsentRows(messages, unsent) {
  for (const [id, { text, doubtful, kept }] of unsent) {
    if (!messages.has(id)) {
      const time = doubtful ? "perhaps sent" : kept ? "kept until it can be sent" : "sending";
      yield { key: id, classes: "message user unsent", text, who: "You", time };
    }
  }
}

function addRow(key) {
  const element = document.createElement("li");
  const row = { element, who: null, text: null, time: null, now: {} };
  rows.set(key, row);
  return row;
}

function update(row, wanted) {
  const now = row.now;
  if (now.classes !== wanted.classes) row.element.className = wanted.classes;
  let grown = false;
  for (const part of ["who", "time", "text"]) {
    if (now[part] === wanted[part]) continue;
    row[part] ??= addPart(row.element, part);
    row[part].textContent = wanted[part];
    grown = true;
  }
  row.now = wanted;
  return grown;
}

function addPart(element, part) {
  const child = document.createElement(part === "text" ? "p" : "span");
  child.className = part;
  if (part === "text") child.dir = "auto";
  element.append(child);
  return child;
}

// Interim words would be read out again and again: only what is final is announced, once.
function announce(messages) {
  const known = new Set();
  for (const message of messages.values()) {
    if (!message.is_final) continue;
    known.add(message.id);
    if (announced && !announced.has(message.id)) {
      const who = message.kind === "agent_transcript" ? "Agent" : "You";
      spoken.textContent = `${who}: ${message.text}`;
    }
  }
  announced = known;
}

/** The next list is history, not news: do not read it out. */
export function startAnew() {
  announced = null;
}
