// What runs: each answer from its request to its last frame, over connections that come and go.
//
// Calls `changed(message, "delta" | "state")` after each frame, and `missed(conversation)` when it has to be read again.
import { sendable } from "./store.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5_000;

export class Runs {
  constructor(link, { changed, missed, refused }) {
    Object.assign(this, { link, changed, missed, refused, running: new Map(), attempts: new Map() });
    link.addEventListener("open", () => this.goOn());
    link.addEventListener("frame", ({ detail }) => this.take(detail));
  }

  // Puts an empty answer below `parent` and has it filled, with the pane's settings as they are at this moment.
  start(conversation, pane, parent, parameters) {
    const [kept, unsent] = conversation.unsentAbove(parent);
    const message = conversation.add({
      id: crypto.randomUUID(), parent, role: "assistant", content: "", model: pane.model, status: "running", started_at: performance.now(),
    });
    const frame = {
      type: "run",
      run: message.id,
      conversation: conversation.id,
      parent: kept,
      messages: unsent.map(sendable),
      request: { model: pane.model, system_prompt: pane.system_prompt, parameters },
    };
    this.running.set(message.id, { message, unsent, frame, conversation, seq: 0, resumed: false });
    this.link.send(frame);
    conversation.claim(pane, message);
    pane.head = message.id;
    return message;
  }

  // An answer that was running when the page was loaded: all of it is asked for again, and then takes the place of what was saved.
  adopt(conversation, message) {
    this.running.set(message.id, { message, unsent: [], frame: null, conversation, seq: 0, resumed: true, adopted: true });
    this.link.send({ type: "resume", run: message.id, after: 0 });
  }

  // The conversation was read again while an answer runs: what had come here goes on in the message that is now shown.
  rebind(conversation, message) {
    const run = this.running.get(message.id);
    run.conversation = conversation;
    const { content, reasoning, tool_calls: calls, started_at: at } = run.message;
    run.message = Object.assign(message, { content, reasoning, tool_calls: calls, started_at: at });
  }

  stop(id) {
    const run = this.running.get(id);
    if (!run) return;
    run.stopping = true;
    this.link.send({ type: "stop", run: id });
  }

  // After a connection was lost: what had begun is resumed, what may never have arrived is sent again.
  goOn() {
    for (const [id, run] of this.running) {
      if (run.seq > 0 || run.frame === null) {
        run.resumed = true;
        this.link.send({ type: "resume", run: id, after: run.seq });
      } else if (this.link.send(run.frame)) run.again = true;
      if (run.stopping) this.link.send({ type: "stop", run: id });
    }
  }

  take(frame) {
    const run = this.running.get(frame.run);
    if (frame.type === "refused") return run ? this.end(run, () => this.refuse(run, frame.error)) : this.refused(frame.error);
    if (!run || frame.seq <= run.seq) return undefined;
    if (frame.seq > run.seq + 1) return this.link.send({ type: "resume", run: frame.run, after: run.seq });
    run.seq = frame.seq;
    if (run.adopted) {
      run.adopted = false;
      this.attempts.delete(frame.run);
      Object.assign(run.message, { content: "", reasoning: "", tool_calls: null });
    }
    if (frame.type === "started") {
      run.message.inference_id = frame.inference_id;
      for (const message of run.unsent) delete message.unsent;
      return this.changed(run.message, "state");
    }
    if (frame.type === "delta") {
      append(run.message, frame);
      return this.changed(run.message, "delta");
    }
    if (frame.type === "state") {
      // Another process shows it now, from what was saved last; what follows adds to that.
      Object.assign(run.message, frame.message);
      return this.changed(run.message, "state");
    }
    return this.end(run, () => {
      for (const message of run.unsent) delete message.unsent;
      Object.assign(run.message, frame.message);
    });
  }

  end(run, write) {
    this.running.delete(run.message.id);
    write();
    this.changed(run.message, "state");
  }

  refuse(run, error) {
    if (run.resumed || run.again) return this.lookAgain(run, error);
    // It never ran: the answer stays on this page alone, and what was to go along goes with the next attempt.
    return Object.assign(run.message, { status: "failed", unsent: true, refused: true, error });
  }

  // Nobody has this run any more. Either it has ended, or its process is dead, which is known for sure when its lease has run out, or
  // it never arrived.
  lookAgain({ message, conversation }, error) {
    message.error = error;
    const attempt = this.attempts.get(message.id) ?? 0;
    this.attempts.set(message.id, attempt + 1);
    setTimeout(() => this.missed(conversation), Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS));
  }
}

function append(message, { content, reasoning, tool_calls: calls }) {
  const firstAt = performance.now() - (message.started_at ?? performance.now());
  message.first_token_ms ??= Math.round(firstAt);
  if (content) message.content += content;
  if (reasoning) message.reasoning = (message.reasoning ?? "") + reasoning;
  for (const { index, id, function: part } of calls ?? []) {
    message.tool_calls ??= [];
    const call = (message.tool_calls[index] ??= { id: "", type: "function", function: { name: "", arguments: "" } });
    if (id) call.id = id;
    if (part?.name) call.function.name += part.name;
    if (part?.arguments) call.function.arguments += part.arguments;
  }
}
