// The words for each state. The states are LiveKit's own.

const HINTS = {
  disconnected: "Press Start and speak at once: nothing you say is lost.",
  connecting: "The agent is being called.",
  buffering: "Speak already: the agent will hear all of it.",
  initializing: "The agent is getting ready.",
  idle: "The agent is there.",
  listening: "The agent is listening to you.",
  thinking: "The agent is thinking.",
  speaking: "The agent is speaking.",
  reconnecting: "The connection was lost; it is coming back by itself.",
};

const FAILURES = {
  timeout: "No agent has come so far.",
  left: "The agent has left. End, and start again.",
};

/** The state as one word for people. */
export function wordFor(face) {
  const word = face === "buffering" ? "connecting" : face;
  return word[0].toUpperCase() + word.slice(1);
}

/** A sentence on what that means. */
export function hintFor(session, muted) {
  if (session.face === "failed") return FAILURES[session.agent_error] ?? "The agent has failed.";
  if (muted && session.is_connected) return "The microphone is muted: the agent cannot hear you.";
  return HINTS[session.face] ?? "";
}

/** What to say of actors that are being restarted. */
export function downFor(names) {
  return `Being restarted: ${names.join(", ")}.`;
}
