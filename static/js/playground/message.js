// One message of a transcript: what was asked, what was answered, what can be done with it.
import { AnswerText } from "./answer.js";
import { h, icon, iconButton } from "./dom.js";
import { editor } from "./editing.js";
import { failure } from "./failures.js";
import { statsOf } from "./figures.js";
import { imagesOf, isRead, textOf } from "./store.js";
import { toolCalls } from "./tool-calls.js";

export class MessageView {
  // `context`: { pane, actions, conversation } of the pane that shows it.
  constructor(message, context) {
    Object.assign(this, { message, context, editing: false });
    this.element = h("article", { class: `message ${message.role}`, "data-id": message.id });
    if (message.role === "assistant") {
      this.answer = new AnswerText();
      this.thought = h("div", { class: "thought" });
      this.thinking = h("details", { class: "details think", hidden: true }, h("summary", {}, icon("right"), h("span")), this.thought);
    }
    this.draw();
  }

  // Everything, after its state or its place among branches has changed.
  draw() {
    if (this.editing) return;
    const { role } = this.message;
    this.element.setAttribute("aria-label", label(this.message));
    this.unread = !isRead(this.message);
    if (this.unread) this.element.replaceChildren(waiting("Loading this message"));
    else if (role === "assistant") this.drawAnswer();
    else if (role === "tool") this.element.replaceChildren(...this.toolResult());
    else this.element.replaceChildren(this.bubble(), this.foot());
  }

  bubble() {
    const { content } = this.message;
    const images = imagesOf(content).map((url) => h("img", { class: "sent-image", src: url, alt: "Attached image" }));
    const text = textOf(content);
    return h("div", { class: "you" }, images.length ? h("div", { class: "sent-images" }, images) : null, text ? h("p", {}, text) : null);
  }

  toolResult() {
    return [h("div", { class: "tool-result" }, h("span", { class: "small muted" }, icon("tool"), "Tool result"), h("pre", { tabindex: "0" }, textOf(this.message.content))), this.foot()];
  }

  drawAnswer() {
    const { message, context } = this;
    this.element.toggleAttribute("data-running", message.status === "running");
    this.grow();
    const silent = message.status === "running" && !message.content && !message.reasoning && !message.tool_calls;
    this.element.replaceChildren(
      this.thinking,
      this.answer.element,
      ...(silent ? [waiting("Waiting for the first token")] : []),
      ...(message.tool_calls?.length ? [toolCalls(message, context)] : []),
      ...failure(message, context),
      ...(message.status === "running" ? [] : [this.foot()]),
    );
  }

  // Only the text, once a frame while it comes.
  grow() {
    const { message } = this;
    const running = message.status === "running";
    this.answer.update(textOf(message.content), !running);
    this.thinking.hidden = !message.reasoning;
    if (!message.reasoning) return;
    const { data = "" } = this.thought.firstChild ?? {};
    if (data && message.reasoning.startsWith(data)) this.thought.firstChild.appendData(message.reasoning.slice(data.length));
    else this.thought.textContent = message.reasoning;
    const tokens = message.usage?.reasoning_tokens;
    const words = running && !message.content ? "Thinking…" : `Thought${tokens ? ` · ${tokens.toLocaleString("en")} tokens` : ""}`;
    const caption = this.thinking.querySelector("summary span");
    if (caption.textContent !== words) caption.textContent = words;
  }

  // While tokens come: the text alone, unless something else has to appear.
  delta() {
    if (this.message.tool_calls || this.element.querySelector(":scope > .waiting")) this.draw();
    else this.grow();
  }

  foot() {
    const { message, context } = this;
    const { actions, pane } = context;
    const answer = message.role === "assistant";
    const buttons = [
      this.branches(),
      iconButton("copy", answer ? "Copy answer" : "Copy message", ({ currentTarget }) => (currentTarget.dataset.copy = textOf(message.content)), { "data-copy": true }),
    ];
    if (message.role === "user") buttons.push(iconButton("pencil", "Edit message", () => this.edit()));
    if (answer) {
      if (textOf(message.content) && !message.refused) buttons.push(iconButton("pencil", "Edit answer", () => this.edit()));
      buttons.push(iconButton("refresh", "Generate again", () => actions.regenerate(pane, message)));
      if (!message.tool_calls?.length && textOf(message.content)) buttons.push(iconButton("arrow", "Continue from here", () => actions.goOn(pane, message)));
    }
    return h("div", { class: answer ? "stats-line" : "message-foot" }, answer ? this.stats() : null, h("div", { class: "actions" }, buttons));
  }

  stats() {
    const { message, context } = this;
    const parts = statsOf(message);
    if (message.status === "stopped") parts.unshift("Stopped");
    if (!message.model) parts.unshift("Edited");
    const words = parts.map((part) => h("span", {}, part));
    // What was refused never ran, and is not in the log.
    if (!message.inference_id || !message.cost) return h("span", { class: "stats-words num" }, words);
    const address = context.actions.inferenceAddress(message.inference_id);
    return h("a", { class: "stats-words num", href: address, title: "Open this inference in the log" }, words);
  }

  branches() {
    const { conversation, pane, actions } = this.context;
    const ids = conversation.branches(pane, this.message);
    if (ids.length < 2) return null;
    const at = ids.indexOf(this.message.id);
    const step = (name, words, to) => iconButton(name, words, () => actions.choose(pane, ids[to]), { disabled: to < 0 || to >= ids.length });
    return h("div", { class: "branches", role: "group", "aria-label": "Branches" }, step("left", "Earlier branch", at - 1), h("span", { class: "num" }, `${at + 1}/${ids.length}`), step("right", "Later branch", at + 1));
  }

  edit() {
    this.editing = true;
    const form = editor(this.message, (content) => {
      this.editing = false;
      if (content === null) return this.draw();
      return this.context.actions.edit(this.context.pane, this.message, content);
    });
    this.element.replaceChildren(form);
    form.querySelector("textarea").focus();
  }
}

function label({ role, model }) {
  return role === "assistant" ? (model ? `Answer of ${model}` : "Edited answer") : role === "tool" ? "Tool result" : "Your message";
}

function waiting(words) {
  return h("p", { class: "waiting", role: "status" }, h("span", { class: "skeleton short" }), h("span", { class: "visually-hidden" }, words));
}
