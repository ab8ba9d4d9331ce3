// One conversation: its tree of messages, and the panes that each show a chain of it. Nothing here knows of the page.
//
// A message that only this page has yet is `unsent`: it goes along with the next run below it. One without `content` is not read yet:
// of a long conversation the server sends the ends, and the rest when it is to be seen.
const MOST_TITLE = 80;
const MOST_MESSAGES = 10_000;
export const MOST_PANES = 4;

export function newPane(model, from = {}) {
  return { model, system_prompt: "", parameters: {}, head: null, preset: null, ...structuredClone(from) };
}

export class Conversation {
  // `ask(id, head, most)` gets messages that are not read yet: `head` and those above it. `saved`: the server has the conversation.
  constructor({ id = crypto.randomUUID(), title = "", panes = [], messages = [], draft = null }, ask, saved = false) {
    Object.assign(this, { id, title, ask, saved, draft, panes: panes.length ? panes : [newPane("")] });
    this.messages = new Map();
    this.children = new Map(); // parent's id or null → ids, oldest first
    for (const message of messages) this.add(message);
    for (const pane of this.panes) if (!this.messages.has(pane.head)) pane.head = null;
  }

  add(message) {
    this.messages.set(message.id, message);
    const siblings = this.children.get(message.parent) ?? [];
    if (!siblings.includes(message.id)) this.children.set(message.parent, [...siblings, message.id]);
    return message;
  }

  // Takes over what the server has, but for answers that are coming in just now. One that it does not know never ran.
  merge(kept, coming) {
    const known = new Set(kept.map(({ id }) => id));
    for (const message of kept) {
      const here = this.get(message.id);
      if (!here) this.add(message);
      else if (!coming.has(message.id)) {
        delete here.unsent;
        if (!isRead(message) && here.status !== message.status) delete here.content; // it has ended meanwhile, and is to be read again
        if (isRead(message) || !isRead(here)) Object.assign(here, message);
      }
    }
    for (const message of this.running) {
      if (!known.has(message.id) && !coming.has(message.id)) Object.assign(message, { status: "failed", unsent: true, refused: true });
    }
  }

  remove(id) {
    const { parent } = this.messages.get(id);
    this.messages.delete(id);
    this.children.set(parent, this.children.get(parent).filter((one) => one !== id));
  }

  get(id) {
    return this.messages.get(id) ?? null;
  }

  // From the root down to the pane's head.
  chain(pane) {
    const found = [];
    for (let message = this.get(pane.head); message; message = this.get(message.parent)) found.push(message);
    return found.reverse();
  }

  // Sees to it that `message` and those above it, `most` at most, are read. Throws what `ask` throws.
  async read(message, most = MOST_MESSAGES) {
    let left = most;
    for (; left > 0 && message && isRead(message); left -= 1) message = this.get(message.parent);
    if (!left || !message) return;
    for (const read of await this.ask(this.id, message.id, left)) {
      const here = this.get(read.id);
      if (here && !isRead(here)) Object.assign(here, read);
    }
  }

  // The branches a pane may choose from at a message. What another pane shows just now, or began, is that pane's.
  branches(pane, message) {
    const siblings = this.children.get(message.parent) ?? [];
    if (siblings.length < 2) return siblings;
    const others = this.panes.filter((other) => other !== pane);
    const elsewhere = new Set(others.flatMap((other) => this.chain(other).map(({ id }) => id)));
    const mine = new Set(pane.own);
    for (const id of others.flatMap(({ own }) => own ?? [])) if (!mine.has(id)) elsewhere.add(id);
    return siblings.filter((id) => id === message.id || !elsewhere.has(id));
  }

  // Notes with the pane that it began this message, where other panes may branch as well; below such a place the branch is its alone.
  claim(pane, { id, parent }) {
    const others = this.panes.filter((other) => other !== pane);
    if (!others.length) return;
    const claimed = new Set(this.panes.flatMap(({ own }) => own ?? []));
    const meeting = parent === null || this.children.get(parent).some((one) => claimed.has(one)) || others.some((other) => this.chain(other).some((one) => one.id === parent));
    if (meeting) pane.own = [...(pane.own ?? []), id];
  }

  // The newest end below a message, for going back to a branch where it was left.
  endOf(id) {
    for (;;) {
      const below = this.children.get(id);
      if (!below?.length) return id;
      id = below.at(-1);
    }
  }

  // What goes along with a run below `parent`: [first message the server has, or null, the unsent ones from there on].
  unsentAbove(parent) {
    const unsent = [];
    let message = this.get(parent);
    for (; message?.unsent; message = this.get(message.parent)) unsent.unshift(message);
    return [message?.id ?? null, unsent];
  }

  // The panes as the server keeps them: a head that it does not have yet is the nearest one above that it has.
  get keptPanes() {
    return this.panes.map((pane) => ({ ...pane, head: this.unsentAbove(pane.head)[0] }));
  }

  // nano-USD and tokens of all that was answered in it.
  get totals() {
    const sums = { cost: 0n, tokens: 0 };
    for (const { cost, usage } of this.messages.values()) {
      if (cost) sums.cost += BigInt(cost);
      if (usage) sums.tokens += (usage.prompt_tokens ?? 0) + (usage.completion_tokens ?? 0);
    }
    return sums;
  }

  get running() {
    return [...this.messages.values()].filter(({ status }) => status === "running");
  }
}

// A new message as the server takes it.
export const sendable = ({ id, role, content, tool_call_id: call }) => ({ id, role, content, ...(call ? { tool_call_id: call } : {}) });

export const isRead = ({ content }) => content !== undefined;

// The text of a message's content, whichever of its two shapes it has.
export function textOf(content) {
  if (typeof content === "string") return content;
  return (content ?? []).filter(({ type }) => type === "text").map(({ text }) => text).join("\n");
}

export function imagesOf(content) {
  if (!Array.isArray(content)) return [];
  return content.filter(({ type }) => type === "image_url").map(({ image_url: image }) => image.url);
}

export function contentOf(text, images) {
  if (!images.length) return text;
  return [...(text ? [{ type: "text", text }] : []), ...images.map((url) => ({ type: "image_url", image_url: { url } }))];
}

export function titleOf(text) {
  const line = text.trim().split("\n", 1)[0] || "Image";
  return line.length > MOST_TITLE ? `${line.slice(0, MOST_TITLE - 1)}…` : line;
}
