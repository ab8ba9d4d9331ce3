// The chain of messages that a pane shows. Only its end is in the page: earlier parts come when one scrolls up to them.
import { h, icon, onNextFrame } from "./dom.js";
import { MessageView } from "./message.js";

const SHOWN = 12; // at first, and with each step up
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
    new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.earlier(), { root: this.element, rootMargin: "200px 0px 0px" }).observe(this.more);
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
    this.first ??= Math.max(0, chain.length - SHOWN);
    if (this.first >= chain.length) this.first = Math.max(0, chain.length - SHOWN);
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

  earlier() {
    if (!this.first) return;
    this.first = Math.max(0, this.first - SHOWN);
    const below = this.element.scrollHeight - this.element.scrollTop;
    this.stuck = false;
    this.draw();
    this.element.scrollTop = this.element.scrollHeight - below;
  }
}
