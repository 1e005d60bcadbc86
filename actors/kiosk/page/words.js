// The words for each state. The states are LiveKit's own.

const HINTS = {
  disconnected: "Press Start and speak at once.\nNothing you say is lost.",
  connecting: "The agent is being called.",
  buffering: "Speak already: the agent will hear all of it.",
  initializing: "The agent is getting ready.",
  idle: "The agent is there.",
  listening: "The agent is listening to you.",
  thinking: "The agent is thinking.",
  speaking: "The agent is speaking.",
  reconnecting: "The connection was lost; it is coming back by itself.",
};

// A microphone that is listened to without a conversation is said to be.
const LISTENS = {
  voice: "Speak, and the agent is called.\nUntil then the last 3 seconds are in memory, no more.",
  "wake-word": "Say the wake word, and speak.\nUntil then the last 3 seconds are in memory, no more.",
};

const FAILURES = {
  timeout: "No agent has come so far.",
  left: "The agent has left. End, and start again.",
};

const ERRORS = {
  connection: "No connection",
  sender: "Message",
  receiver: "Something that came could not be read",
  media: "Sound",
};

/** The state as one word for people. */
export function wordFor(face) {
  const word = face === "buffering" ? "connecting" : face;
  return word[0].toUpperCase() + word.slice(1);
}

/** What the page says of itself while it has no line to its terminal, or has not heard of it yet. */
export function hintForLine(lost) {
  return lost ? "This page has lost its terminal; it comes back by itself." : "One moment.";
}

/** The session's error as a sentence; empty: none. */
export function errorFor(session) {
  if (!session?.error_kind) return "";
  return [ERRORS[session.error_kind], session.error].filter(Boolean).join(": ");
}

/** A sentence on what that means. */
export function hintFor(session, muted, listens) {
  if (session.face === "failed") return FAILURES[session.agent_error] ?? "The agent has failed.";
  if (muted && session.is_connected) return "The microphone is muted: the agent cannot hear you.";
  if (session.face === "disconnected" && LISTENS[listens]) return LISTENS[listens];
  return HINTS[session.face] ?? "";
}

/** What to say while the sound is written to files; empty: it is not. */
export function keptFor(audio) {
  return audio?.is_kept ? "For support, what is said is being recorded." : "";
}

/** What to say of actors that are being restarted. */
export function downFor(names) {
  return `Being restarted: ${names.join(", ")}.`;
}
