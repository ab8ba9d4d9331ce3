// Presets: a model with its settings under a name. The menu hides itself where the server has none.
import { toast } from "../toasts.js";
import { call, Refused } from "./api.js";
import { h, icon } from "./dom.js";

const PAGE = 100; // presets that the server gives at once

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
    this.menu.addEventListener("beforetoggle", ({ newState }) => newState === "open" && this.draw());
    this.loaded = this.load();
  }

  async load() {
    try {
      for (let next = ""; next !== null; ) {
        const page = await call(`${this.address}?limit=${PAGE}${next && `&cursor=${next}`}`);
        this.list.push(...page.data);
        next = page.next;
      }
      this.offered = true;
    } catch (reason) {
      if (!(reason instanceof Refused)) throw reason;
      if (reason.status !== 404) toast("error", `The presets could not be loaded: ${reason.message}`);
    }
    this.button.hidden = !this.offered;
    for (const { settings } of this.app.views) settings.save.hidden = !this.offered;
  }

  get(slug) {
    return this.list.find((preset) => preset.slug === slug) ?? null;
  }

  // The one that a new conversation begins with.
  get usual() {
    return this.list.find(({ is_default: usual }) => usual) ?? null;
  }

  // A new conversation with it; from then on the address is a new conversation's, so that a reload keeps what was changed here.
  begin(slug) {
    const preset = this.get(slug);
    history.replaceState(null, "", location.pathname);
    if (!preset) toast("error", `There is no preset “${slug}” any more: it was deleted, or has another slug now.`);
    else if (!this.app.models.get(preset.model)) toast("error", `“${preset.name}” asks for ${preset.model}, which is no longer offered: another model answers.`);
    this.app.fresh(null, preset);
    this.app.panesChanged();
  }

  draw() {
    const { views, active } = this.app;
    const several = views.length > 1;
    const pane = `pane ${views.indexOf(active) + 1}`;
    const entries = this.list.map((preset) =>
      h("button", { type: "button", onclick: () => this.apply(preset) }, icon("sliders"), h("span", { class: "preset-entry" }, h("span", { class: "clip" }, preset.name), h("span", { class: "small muted clip" }, preset.model))),
    );
    const head = this.list.length ? `Use in ${several ? pane : "this conversation"}` : "No presets yet";
    this.menu.replaceChildren(
      ...(several ? [this.paneChoice()] : []),
      h("div", { class: "menu-head", "data-target": "" }, head, several ? h("b", {}, active.label) : null),
      ...entries,
      h("hr"),
      h("button", { type: "button", onclick: () => (this.menu.hidePopover(), this.save(this.app.active)) }, icon("plus"), several ? `Save ${pane} as a preset` : "Save as a preset"),
    );
  }

  // Which pane a preset goes to; to choose another one makes that the active one.
  paneChoice() {
    const { views, active } = this.app;
    const choose = (view, at) => {
      this.app.activate(view);
      this.draw();
      this.menu.querySelectorAll("[name=preset-pane]")[at].focus();
    };
    const radios = views.map((view, at) =>
      h("label", { title: view.label }, `Pane ${at + 1}`, h("input", { type: "radio", name: "preset-pane", checked: view === active, onchange: () => choose(view, at) })),
    );
    return h("div", { class: "segments", role: "radiogroup", "aria-label": "Pane" }, radios);
  }

  apply({ slug, name, model, parameters, system_prompt: prompt }) {
    const { views, active } = this.app;
    this.menu.hidePopover();
    active.use({ model, parameters, system_prompt: prompt, preset: slug });
    toast("success", `“${name}” is in use${views.length > 1 ? ` in pane ${views.indexOf(active) + 1}` : ""}.`);
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
      this.list = [made, ...this.list];
      pane.preset = made.slug;
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
