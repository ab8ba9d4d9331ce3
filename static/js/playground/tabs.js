// On phones one pane is seen at a time: tabs above them, or swiping, show the others. The one that is seen is the active one.
import { h } from "./dom.js";

export class Tabs {
  // `seen(view)` is called with the pane that a phone shows.
  constructor(bar, place, seen) {
    Object.assign(this, { bar, place, seen, views: [] });
    place.addEventListener("scroll", () => this.follow(), { passive: true });
  }

  draw(views) {
    this.views = views;
    this.bar.hidden = views.length < 2;
    this.bar.replaceChildren(
      ...views.map((view) => h("button", { type: "button", class: "clip", onclick: () => view.element.scrollIntoView({ inline: "start", block: "nearest", behavior: "smooth" }) }, view.label)),
    );
    this.follow();
  }

  follow() {
    if (this.views.length < 2) return;
    const { scrollLeft, clientWidth } = this.place;
    const view = this.views[Math.round(scrollLeft / Math.max(1, clientWidth))] ?? this.views[0];
    this.mark(view);
    if (this.bar.checkVisibility()) this.seen(view);
  }

  mark(view) {
    [...this.bar.children].forEach((button, at) => button.setAttribute("aria-current", String(this.views[at] === view)));
  }
}
