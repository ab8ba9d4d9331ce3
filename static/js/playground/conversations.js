// The rail: what was talked about before, newest first; found by title, renamed, deleted.
import { toast } from "../toasts.js";
import { call } from "./api.js";
import { debounced, h, iconButton } from "./dom.js";

const DAY_MS = 86_400_000;
const SEARCH_MS = 200;

export class Conversations {
  // Calls `open(id)`, `renamed(id, title)` and `deleted(id)`.
  constructor(rail, address, { open, renamed, deleted }) {
    Object.assign(this, { rail, address, open, renamed, deleted, list: [], next: null, current: null, asked: 0 });
    this.place = rail.querySelector("[data-list]");
    this.search = rail.querySelector("input[type=search]");
    this.more = rail.querySelector("[data-more]");
    this.note = rail.querySelector("[data-note]");
    this.dialog = document.getElementById("delete-conversation");
    this.search.addEventListener("input", debounced(() => this.load(), SEARCH_MS));
    this.more.addEventListener("click", () => this.load(this.next));
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
      this.remove(this.doomed);
    });
  }

  async load(before = null) {
    const asked = (this.asked += 1);
    const query = new URLSearchParams({ q: this.search.value.trim(), ...(before ? { before } : {}) });
    try {
      const { conversations, next } = await call(`${this.address}?${query}`);
      if (asked !== this.asked) return; // a later search was quicker
      this.list = before ? [...this.list, ...conversations] : conversations;
      this.next = next;
      this.draw();
    } catch (reason) {
      this.note.hidden = false;
      this.note.textContent = reason.message;
    }
  }

  // One that is new, or was just used, comes first.
  touch({ id, title }) {
    this.list = [{ id, title, updated_at: new Date().toISOString() }, ...this.list.filter((one) => one.id !== id)];
    this.draw();
  }

  show(id) {
    this.current = id;
    for (const link of this.place.querySelectorAll("a")) {
      if (link.dataset.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  draw() {
    const groups = new Map();
    for (const one of this.list) {
      const name = groupOf(new Date(one.updated_at));
      groups.set(name, [...(groups.get(name) ?? []), one]);
    }
    this.place.replaceChildren(...[...groups].flatMap(([name, all]) => [h("h2", {}, name), h("ul", {}, all.map((one) => this.entry(one)))]));
    this.more.hidden = !this.next;
    this.note.hidden = this.list.length > 0;
    this.note.textContent = this.search.value.trim() ? "Nothing has this in its title." : "Your conversations will be listed here.";
    this.show(this.current);
  }

  entry(one) {
    const follow = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (this.rail.matches(":popover-open")) this.rail.hidePopover();
      this.open(one.id);
    };
    const link = h("a", { href: `?c=${one.id}`, "data-id": one.id, title: one.title, onclick: follow }, one.title || "Untitled");
    const item = h("li", {}, link, h("span", { class: "entry-actions" }, iconButton("pencil", `Rename “${one.title}”`, () => this.rename(one, item)), iconButton("trash", `Delete “${one.title}”`, () => this.ask(one))));
    return item;
  }

  rename(one, item) {
    const input = h("input", { class: "input", value: one.title, maxlength: "200", "aria-label": "New title" });
    let finished = false;
    const finish = async (keep) => {
      if (finished) return; // leaving the field, too, finishes
      finished = true;
      const title = input.value.trim();
      if (keep && title && title !== one.title) {
        try {
          await call(`${this.address}/${one.id}`, { method: "PATCH", body: { title } });
          one.title = title;
          this.renamed(one.id, title);
        } catch (reason) {
          toast("error", reason.message);
        }
      }
      this.draw();
      this.place.querySelector(`a[data-id="${one.id}"]`)?.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") finish(true);
      else if (event.key === "Escape") finish(false);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    input.addEventListener("blur", () => finish(true));
    item.replaceChildren(input);
    input.select();
  }

  ask(one) {
    this.doomed = one;
    this.dialog.querySelector("[data-title]").textContent = one.title || "Untitled";
    this.dialog.showModal();
  }

  async remove({ id }) {
    try {
      await call(`${this.address}/${id}`, { method: "DELETE" });
    } catch (reason) {
      if (reason.status !== 404) return toast("error", reason.message);
    }
    this.list = this.list.filter((one) => one.id !== id);
    this.draw();
    return this.deleted(id);
  }
}

function groupOf(moment) {
  const today = new Date().setHours(0, 0, 0, 0);
  if (moment >= today) return "Today";
  if (moment >= today - DAY_MS) return "Yesterday";
  return moment >= today - 7 * DAY_MS ? "Last 7 days" : "Earlier";
}
