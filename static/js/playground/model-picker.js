// Choosing a model: by name, by what it can do (`vision`), by price (`<0.5`: USD per million tokens of output), sorted by name, price or context.
import { format } from "../figures.js";
import { h } from "./dom.js";
import { nameParts, priceTag } from "./models.js";

const PRICE = /^<\s*\$?(\d+(?:\.\d+)?)$/;
const ORDERS = {
  name: (one, other) => one.id.localeCompare(other.id),
  price: (one, other) => Number(one.prices.output) - Number(other.prices.output),
  context: (one, other) => other.context_length - one.context_length,
};

export class ModelPicker {
  constructor(dialog, models) {
    Object.assign(this, { dialog, models, shown: [], at: 0 });
    this.input = dialog.querySelector("[role=combobox]");
    this.list = dialog.querySelector("[role=listbox]");
    this.filters = dialog.querySelector("[data-capabilities]");
    this.order = dialog.querySelector("select");
    this.none = dialog.querySelector("[data-none]");
    const all = [...new Set(models.list.flatMap(({ capabilities }) => capabilities))].filter((one) => one !== "chat" && one !== "streaming").sort();
    this.filters.replaceChildren(...all.map((name) => h("button", { class: "chip", type: "button", "aria-pressed": "false", "data-capability": name, onclick: ({ currentTarget }) => this.toggle(currentTarget) }, words(name))));
    this.input.addEventListener("input", () => this.draw());
    this.order.addEventListener("change", () => this.draw());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("click", ({ target }) => this.take(target.closest("[role=option]")));
  }

  // Calls `chosen(id)` when one is taken.
  open(current, chosen) {
    Object.assign(this, { current, chosen });
    this.input.value = "";
    this.draw();
    this.dialog.showModal();
    this.input.focus();
  }

  toggle(button) {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    this.draw();
  }

  draw() {
    const wanted = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const must = [...this.filters.querySelectorAll('[aria-pressed="true"]')].map(({ dataset }) => dataset.capability);
    const found = this.models.list
      .filter(({ capabilities }) => must.every((one) => capabilities.includes(one)))
      .filter((model) => wanted.every((word) => fits(model, word)))
      .sort(ORDERS[this.order.value]);
    this.shown = found.map((model, number) => this.option(model, number));
    this.list.replaceChildren(...this.shown);
    this.none.hidden = found.length > 0;
    this.choose(Math.max(0, found.findIndex(({ id }) => id === this.current)));
  }

  option(model, number) {
    const [organisation, name] = nameParts(model.id);
    const facts = `${format(model.context_length, "tokens")} context · ${priceTag(model)}`;
    const badges = model.capabilities.filter((one) => one !== "chat" && one !== "streaming").map((one) => h("span", { class: "badge line" }, words(one)));
    return h(
      "div",
      { class: "model-option", role: "option", id: `model-option-${number}`, "data-model": model.id, "aria-selected": "false" },
      h("span", { class: "model-name" }, h("span", { class: "org" }, organisation), h("b", {}, name), model.id === this.current ? h("span", { class: "badge" }, "In use") : null),
      h("span", { class: "num small muted" }, facts),
      badges.length ? h("span", { class: "badges" }, badges) : null,
    );
  }

  choose(at) {
    this.at = at;
    this.shown.forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
    if (!this.shown.length) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", this.shown[at].id);
    return this.shown[at].scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const { length } = this.shown;
    if (event.key === "ArrowDown" && length) this.choose((this.at + 1) % length);
    else if (event.key === "ArrowUp" && length) this.choose((this.at + length - 1) % length);
    else if (event.key === "Enter" && !event.isComposing) this.take(this.shown[this.at]);
    else return;
    event.preventDefault();
  }

  take(option) {
    if (!option) return;
    this.dialog.close();
    this.chosen(option.dataset.model);
  }
}

function fits({ id, name, capabilities, prices }, word) {
  const bound = PRICE.exec(word);
  if (bound) return Number(prices.output) * 1e6 < Number(bound[1]);
  return `${id} ${name} ${capabilities.map(words).join(" ")}`.toLowerCase().includes(word);
}

const words = (capability) => capability.replaceAll("_", " ");
