// The form of a preset: the controls of the Playground's settings, made from what the chosen model takes. What is sent is the JSON
// below them, and both say the same at any time.
import { call, Refused } from "../playground/api.js";
import { controlOf } from "../playground/controls.js";
import { h } from "../playground/dom.js";
import { Models } from "../playground/models.js";
import { isTexts, misfits } from "../presets/fitting.js";
import { withMember } from "../presets/members.js";

class PresetForm {
  constructor(form, models) {
    const { parameters: area, model: select } = form.elements;
    Object.assign(this, { form, area, select, models, controls: new Map(), values: {} });
    for (const name of ["list", "note", "misfits", "json", "problem"]) this[name] = form.querySelector(`[data-${name}]`);
    this.json.open = area.getAttribute("aria-invalid") === "true";
    select.addEventListener("change", () => this.build());
    area.addEventListener("input", () => this.read());
    form.addEventListener("submit", (event) => this.refuse(event));
    this.read();
    this.build();
  }

  // Anew for the chosen model.
  build() {
    const model = this.models.get(this.select.value);
    this.controls = new Map((model?.parameters ?? []).map((parameter) => [parameter, controlOf(parameter, (value) => this.set(parameter.name, value))]));
    this.list.replaceChildren(...[...this.controls.values()].map(({ element }) => element));
    const none = model ? "This model takes no parameters." : "This model is no longer offered: its parameters are in the JSON below.";
    this.note.textContent = this.controls.size ? "" : this.select.value ? none : "Choose a model to see what it takes.";
    this.note.hidden = this.controls.size > 0;
    this.sync();
  }

  set(name, value) {
    this.area.value = withMember(this.area.value, name, value);
    this.read();
  }

  // What the JSON says goes into the controls; they wait while it cannot be read.
  read() {
    let words = null;
    try {
      const values = JSON.parse(this.area.value.trim() || "{}");
      if (typeof values !== "object" || Array.isArray(values) || !values) throw new SyntaxError("no object");
      this.values = values;
    } catch (reason) {
      if (!(reason instanceof SyntaxError)) throw reason;
      words = "This is not a JSON object yet: { … }.";
    }
    this.list.disabled = Boolean(words);
    this.problem.hidden = !words;
    this.problem.textContent = words ?? "";
    this.sync();
  }

  sync() {
    for (const [{ name, kind }, control] of this.controls) {
      const value = this.values[name] ?? undefined;
      control.sync(kind === "strings" && value !== undefined && !isTexts(value) ? undefined : value);
    }
    const model = this.models.get(this.select.value);
    const found = model ? misfits(this.values, model, this.models) : [];
    this.misfits.hidden = !found.length;
    this.misfits.replaceChildren(
      h("p", {}, `${found.length === 1 ? "One value does" : `${found.length} values do`} not fit ${this.select.value}. Saved, they stay in the preset: the Playground leaves out what the model does not take, requests over the API send it.`),
      h("ul", {}, found.map(([name, words]) => h("li", { "data-misfit": name }, h("span", {}, words), h("button", { class: "button small", type: "button", "aria-label": `Remove ${name}`, onclick: () => this.set(name, undefined) }, "Remove")))),
    );
  }

  // What is wrong is mended before it is sent.
  refuse(event) {
    const wrong = [...this.controls.values()].find(({ problem }) => problem());
    if (!wrong && this.problem.hidden) return;
    event.preventDefault();
    if (!wrong) this.json.open = true;
    (wrong ? wrong.element.querySelector("[aria-invalid=true]") : this.area).focus();
  }
}

const form = document.querySelector("form[data-preset]");
try {
  const { models } = await call(form.dataset.models);
  new PresetForm(form, new Models(models));
  form.dataset.ready = "";
} catch (reason) {
  if (!(reason instanceof Refused)) throw reason;
  form.querySelector("[data-note]").textContent = reason.message;
}
