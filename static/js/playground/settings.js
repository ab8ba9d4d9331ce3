// The drawer of a pane: system prompt and the parameters its model takes.
import { controlOf } from "./controls.js";
import { h, iconButton } from "./dom.js";

let made = 0;

export class Settings {
  // `changed()` is called after each change of the pane.
  constructor(pane, models, { changed, close, savePreset }) {
    Object.assign(this, { pane, models, changed, controls: new Map() });
    const id = `system-prompt-${(made += 1)}`;
    this.prompt = h("textarea", { class: "input", id, rows: "4", placeholder: "How the model should answer" });
    this.prompt.addEventListener("input", () => {
      this.pane.system_prompt = this.prompt.value;
      changed();
    });
    this.list = h("div", { class: "parameters" });
    this.save = h("button", { class: "button small", type: "button", hidden: true, onclick: savePreset }, "Save as preset");
    const reset = h("button", { class: "button ghost small", type: "button", onclick: () => this.reset() }, "Reset all");
    this.element = h(
      "section",
      { class: "pane-settings", hidden: true, "aria-label": "Settings of this pane" },
      h("header", {}, h("h2", {}, "Settings"), iconButton("x", "Close settings", close)),
      h("div", { class: "field" }, h("label", { for: id }, "System prompt"), this.prompt),
      this.list,
      h("div", { class: "button-row" }, this.save, reset),
    );
    this.build();
  }

  // Anew for the pane's model.
  build() {
    const parameters = this.models.get(this.pane.model)?.parameters ?? [];
    this.controls = new Map(parameters.map((parameter) => [parameter.name, controlOf(parameter, (value) => this.set(parameter.name, value))]));
    this.list.replaceChildren(...[...this.controls.values()].map(({ element }) => element));
    if (!parameters.length) this.list.append(h("p", { class: "small muted" }, "This model takes no parameters."));
    this.sync();
  }

  set(name, value) {
    if (value === undefined) delete this.pane.parameters[name];
    else this.pane.parameters[name] = value;
    this.controls.get(name).sync(value);
    this.changed();
  }

  reset() {
    Object.assign(this.pane, { system_prompt: "", parameters: {}, preset: null });
    document.activeElement?.blur();
    this.build();
    this.changed();
  }

  sync() {
    if (document.activeElement !== this.prompt) this.prompt.value = this.pane.system_prompt;
    for (const [name, control] of this.controls) control.sync(this.pane.parameters[name]);
  }

  // The first control whose value cannot be sent, with the words that say why; null when all can.
  problem() {
    for (const { element, problem } of this.controls.values()) if (problem()) return { element, words: problem() };
    return null;
  }
}
