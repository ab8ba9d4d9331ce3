// Presets: a model with its settings under a name. The menu hides itself where the server has none.
import { toast } from "../toasts.js";
import { call, Refused } from "./api.js";
import { h, icon } from "./dom.js";

export class Presets {
  constructor(app, address) {
    Object.assign(this, { app, address, list: [], offered: false });
    this.button = document.getElementById("presets-button");
    this.menu = document.getElementById("presets-menu");
    this.dialog = document.getElementById("save-preset");
    this.form = this.dialog.querySelector("form");
    this.form.elements.name.addEventListener("input", () => {
      if (!this.slugTyped) this.form.elements.slug.value = slugOf(this.form.elements.name.value);
    });
    this.form.elements.slug.addEventListener("input", () => (this.slugTyped = true));
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.store()));
  }

  async load() {
    try {
      const { data } = await call(this.address);
      Object.assign(this, { list: data, offered: true });
    } catch (reason) {
      if (!(reason instanceof Refused)) throw reason;
      if (reason.status !== 404) toast("error", `The presets could not be loaded: ${reason.message}`);
    }
    this.button.hidden = !this.offered;
    for (const { settings } of this.app.views) settings.save.hidden = !this.offered;
    this.draw();
  }

  // The one that a new pane begins with.
  get usual() {
    return this.list.find(({ is_default: usual }) => usual) ?? null;
  }

  draw() {
    const entries = this.list.map((preset) =>
      h("button", { type: "button", onclick: () => this.apply(preset) }, icon("sliders"), h("span", { class: "preset-entry" }, h("span", { class: "clip" }, preset.name), h("span", { class: "small muted clip" }, preset.model ?? ""))),
    );
    this.menu.replaceChildren(
      h("div", { class: "menu-head" }, this.list.length ? "Use in the active pane" : "No presets yet"),
      ...entries,
      h("hr"),
      h("button", { type: "button", onclick: () => (this.menu.hidePopover(), this.save(this.app.active)) }, icon("plus"), "Save the active pane"),
    );
  }

  apply({ slug, name, model, parameters, system_prompt: prompt }) {
    this.menu.hidePopover();
    this.app.active.use({ model: model || undefined, parameters: parameters ?? {}, system_prompt: prompt ?? "", preset: slug });
    toast("success", `“${name}” is in use.`);
  }

  save(view) {
    this.view = view;
    this.slugTyped = false;
    this.form.reset();
    this.problem(null);
    this.dialog.querySelector("[data-model]").textContent = view.pane.model;
    this.dialog.showModal();
  }

  async store() {
    const { name, slug, description } = this.form.elements;
    const { pane } = this.view;
    const body = {
      name: name.value.trim(), slug: slug.value.trim(), description: description.value.trim(), model: pane.model,
      parameters: this.app.models.parametersOf(pane), system_prompt: pane.system_prompt,
    };
    try {
      const made = await call(this.address, { method: "POST", body });
      this.list = [...this.list, made];
      pane.preset = made.slug;
      this.draw();
      this.app.panesChanged();
      this.dialog.close();
      toast("success", `Preset “${made.name}” is saved. Call it from the API as "preset": "${made.slug}".`);
    } catch (reason) {
      this.problem(reason);
    }
  }

  problem(reason) {
    const place = this.dialog.querySelector("[data-problem]");
    place.hidden = !reason;
    place.textContent = reason?.message ?? "";
    for (const input of this.form.elements) input.removeAttribute("aria-invalid");
    const input = reason?.param ? this.form.elements[reason.param] : null;
    if (input instanceof HTMLElement) {
      input.setAttribute("aria-invalid", "true");
      input.focus();
    }
  }
}

function slugOf(name) {
  return name.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
}
