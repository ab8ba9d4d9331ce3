// The chain of messages that a pane shows. Only its end is in the page: earlier parts come when one scrolls up to them.
import { toast } from "../toasts.js";
import { h, icon, onNextFrame } from "./dom.js";
import { MessageView } from "./message.js";
import { isRead } from "./store.js";

const FIRST = 4; // messages drawn at once; more come as long as there is room
const STEP = 8;
const AHEAD = 48; // are asked for at once, before one scrolls to them
const NEAR_END_PX = 64;
const MOVING_MS = 1_000; // after the last sign of a hand, for scrolling that glides

export class Transcript {
  constructor(context, empty) {
    Object.assign(this, { context, empty, views: new Map(), stuck: true, moved: -MOVING_MS, dirty: new Set() });
    this.more = h("button", { class: "button ghost small earlier", type: "button", hidden: true, onclick: () => this.earlier() });
    this.list = h("div", { class: "messages" });
    this.element = h("div", { class: "transcript", tabindex: "0", role: "region" }, this.more, this.list);
    this.toEnd = h("button", { class: "button icon-only to-end", type: "button", hidden: true, "aria-label": "Go to the end", title: "Go to the end", onclick: () => this.end() }, icon("down"));
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.nearStart = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.earlier(), { root: this.element, rootMargin: "75% 0px 0px" });
    this.nearStart.observe(this.more);
    // Whatever makes it longer (text, colours that come late), its end stays in sight until one scrolls away. The observer runs when
    // the layout is known, so that following costs no second one.
    const observer = new ResizeObserver(() => this.follow());
    observer.observe(this.list);
    observer.observe(this.element);
    for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) {
      this.element.addEventListener(kind, () => (this.moved = performance.now()), { passive: true });
    }
    this.write = () => this.grow();
  }

  // Brings the page to the chain as it is now. Messages that stay keep their elements.
  draw() {
    const chain = this.context.conversation.chain(this.context.pane);
    this.first ??= Math.max(0, chain.length - FIRST);
    if (this.first >= chain.length) this.first = Math.max(0, chain.length - FIRST);
    const shown = chain.slice(this.first);
    this.more.hidden = this.first === 0;
    this.more.textContent = `${this.first.toLocaleString("en")} earlier messages`;
    const wanted = new Set(shown.map(({ id }) => id));
    for (const [id, view] of this.views) {
      if (wanted.has(id)) continue;
      view.element.remove();
      this.views.delete(id);
    }
    shown.forEach((message, at) => {
      const known = this.views.get(message.id);
      const view = known ?? new MessageView(message, this.context);
      this.views.set(message.id, view);
      if (this.list.children[at] !== view.element) this.list.insertBefore(view.element, this.list.children[at] ?? null);
    });
    const unread = shown.findLast((message) => !isRead(message));
    if (unread) this.read(unread, shown.length);
    const blank = chain.length === 0;
    if (blank) this.list.replaceChildren(this.empty());
    else this.list.querySelector(":scope > .empty")?.remove();
    onNextFrame(this.write);
  }

  // Draws anew what is in the page: branches and what can be done may have changed.
  redraw() {
    this.draw();
    for (const view of this.views.values()) view.draw();
  }

  changed(message, what) {
    const view = this.views.get(message.id);
    if (!view) return;
    if (what === "delta") this.dirty.add(view);
    else {
      this.dirty.delete(view);
      view.draw();
    }
    onNextFrame(this.write);
  }

  grow() {
    for (const view of this.dirty) view.delta();
    this.dirty.clear();
  }

  follow() {
    if (this.stuck) this.element.scrollTop = this.element.scrollHeight;
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    // The browser scrolls by itself, too, when heights change: only people leave the end.
    if (atEnd || performance.now() - this.moved < MOVING_MS) this.stuck = atEnd;
    this.toEnd.hidden = this.stuck;
  }

  end() {
    this.stuck = true;
    this.follow();
  }

  async earlier() {
    if (!this.first || this.reading) return;
    this.reading = true;
    const known = await this.read(this.above(1), STEP);
    this.reading = false;
    if (!known || !this.first) return;
    this.first = Math.max(0, this.first - STEP);
    const below = this.element.scrollHeight - this.element.scrollTop;
    this.draw();
    this.element.scrollTop = this.element.scrollHeight - below;
    const next = this.above(STEP);
    // Where that fails, it is asked for again, and said, when it is to be seen.
    if (next && !isRead(next)) this.context.conversation.read(this.above(1), AHEAD).catch(() => false);
    // It tells changes only: where there still is room, it has to look again.
    this.nearStart.unobserve(this.more);
    this.nearStart.observe(this.more);
  }

  // The message so many places above those in the page; null where there is none.
  above(places) {
    return this.context.conversation.chain(this.context.pane)[Math.max(0, this.first - places)] ?? null;
  }

  // Whether these messages are here, and drawn where they are in the page.
  async read(message, most) {
    try {
      await this.context.conversation.read(message, most);
    } catch (reason) {
      toast("error", reason.message);
      return false;
    }
    for (const view of this.views.values()) if (view.unread) view.draw();
    return true;
  }
}
