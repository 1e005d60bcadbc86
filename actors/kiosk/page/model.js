// What the page knows: folded from the kiosk's frames, nothing of the document in it.

const MAX_MESSAGES = 200; // as many as the kiosk keeps for a snapshot

/** The state before anything was heard. */
export function emptyModel() {
  return {
    terminal: "",
    page: "",
    session: null,
    audio: null,
    down: [],
    messages: new Map(), // by id, in the order of the list
    level: { input: -120, output: -120 },
  };
}

/** Take in one frame. Unknown ones are left to newer pages. */
export function fold(model, frame) {
  switch (frame.type) {
    case "snapshot":
      model.terminal = frame.terminal;
      model.page = frame.page;
      model.session = frame.session;
      model.audio = frame.audio;
      model.down = frame.down;
      model.messages = new Map(frame.messages.map((message) => [message.id, message]));
      break;
    case "session":
      model.session = frame.session;
      break;
    case "audio":
      model.audio = frame.audio;
      break;
    case "down":
      model.down = frame.down;
      break;
    case "level":
      model.level = frame;
      break;
    case "message":
      model.messages.set(frame.message.id, frame.message);
      while (model.messages.size > MAX_MESSAGES) {
        model.messages.delete(model.messages.keys().next().value);
      }
      break;
    case "purged":
      model.messages.delete(frame.id);
      break;
  }
}

/** Whether the microphone is off. */
export function isMuted(model) {
  return (model.audio ?? model.session)?.muted ?? false;
}

/** A level in dBFS as a part of the meter, 0 to 1: speech lies between -50 and -10. */
export function loudness(dbfs) {
  return Math.min(1, Math.max(0, (dbfs + 55) / 47));
}
