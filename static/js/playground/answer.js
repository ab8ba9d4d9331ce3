// The text of an answer while it grows: blocks of Markdown that are complete are written once, only the last is written anew.
import { h, iconButton } from "./dom.js";

let markdown = null;
const loaded = import("./markdown.js").then((module) => (markdown = module));
const highlighter = once(() => import("./highlight.js"));
const typesetter = once(() => import("./typeset.js"));
let typeset = null;

const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m; // a link defined below its use: all is written anew at the end

// Resolves when answers can be drawn as Markdown; until then they are drawn as text.
export const ready = loaded;

// While nothing else is to do: so that the first code and the first formula are not waited for.
export const getReady = () => Promise.all([highlighter(), typesetter()]);

export class AnswerText {
  constructor() {
    this.element = h("div", { class: "answer" });
    this.reset();
  }

  reset() {
    this.element.replaceChildren();
    Object.assign(this, { text: "", settled: 0, environment: {}, tail: [], code: null });
  }

  // `done`: no more comes, so that the last block is complete too.
  update(text, done) {
    if (!markdown) {
      this.element.textContent = text;
      return;
    }
    if (!text.startsWith(this.text) || (done && DEFINITION.test(text))) this.reset();
    if (this.text === "" && this.tail.length === 0) this.element.replaceChildren();
    this.text = text;
    this.draw(text.slice(this.settled), done);
  }

  draw(rest, done) {
    const blocks = markdown.blocksOf(rest, this.environment);
    if (!done && this.code && blocks.length === 1 && blocks[0].fence) {
      const { data } = this.code;
      if (blocks[0].fence.content.startsWith(data)) this.code.appendData(blocks[0].fence.content.slice(data.length));
      else this.code.data = blocks[0].fence.content;
      return;
    }
    for (const node of this.tail) node.remove();
    Object.assign(this, { tail: [], code: null });
    const last = done ? null : (blocks.pop() ?? null);
    // All that is complete in one go: to purify is a matter of calls more than of lengths.
    if (blocks.length) this.element.append(drawn(blocks.flatMap(({ tokens }) => tokens), this.environment, false));
    if (last) this.drawOpen(last, rest);
    if (done) this.settled = this.text.length;
  }

  drawOpen({ tokens, start, fence }, rest) {
    this.tail = [...drawn(tokens, this.environment, true).childNodes];
    this.element.append(...this.tail);
    this.settled += offsetOf(rest, start);
    const code = fence && this.element.lastElementChild.querySelector("code");
    if (code) this.code = code.firstChild ?? code.appendChild(document.createTextNode(""));
  }
}

// A whole text at once.
export function drawnText(text) {
  const whole = new AnswerText();
  whole.update(text, true);
  return whole.element;
}

function drawn(tokens, environment, open) {
  const fragment = markdown.fragmentOf(tokens, environment);
  for (const code of fragment.querySelectorAll("pre > code")) frame(code, open);
  for (const table of fragment.querySelectorAll(".table-scroll")) focusable(table, "Table");
  for (const formula of fragment.querySelectorAll(".math")) {
    if (typeset) typeset(formula);
    else typesetter().then((module) => (typeset = module.typeset)(formula));
  }
  return fragment;
}

// A block of code gets a head with its language and a button that copies it.
function frame(code, open) {
  const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  const pre = focusable(code.parentElement, `Code${language ? `, ${language}` : ""}`);
  const block = h("div", { class: "code code-block" });
  pre.replaceWith(block);
  const copy = iconButton("copy", "Copy code", () => (copy.dataset.copy = code.textContent), { "data-copy": true });
  block.append(h("div", { class: "code-head" }, h("span", {}, language || "text"), copy), pre);
  if (language && !open) highlighter().then(({ colour }) => colour(code, language.toLowerCase()));
}

// What scrolls sideways can be scrolled by keyboard.
function focusable(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
  return element;
}

function offsetOf(text, line) {
  let at = 0;
  for (let number = 0; number < line; number += 1) at = text.indexOf("\n", at) + 1;
  return at;
}

function once(load) {
  let promise = null;
  return () => (promise ??= load());
}
