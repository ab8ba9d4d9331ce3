// One pane: its model, its transcript, its settings.
import { h, icon, iconButton } from "./dom.js";
import { nameParts, priceTag } from "./models.js";
import { Settings } from "./settings.js";
import { Transcript } from "./transcript.js";

export class PaneView {
  // `app`: the Playground, whose actions the buttons call.
  constructor(pane, conversation, app) {
    Object.assign(this, { pane, conversation, app });
    this.pick = h("button", { class: "model-pick", type: "button", "aria-haspopup": "dialog", onclick: () => this.choose() });
    this.price = h("span", { class: "price-tag muted small num" });
    this.gear = iconButton("sliders", "Settings", () => this.toggleSettings(), { "aria-expanded": "false", class: "gear" });
    this.close = iconButton("x", "Close this pane", () => app.closePane(this));
    this.settings = new Settings(pane, app.models, {
      changed: () => this.settingsChanged(),
      close: () => this.toggleSettings(false),
      savePreset: () => app.presets.save(this),
    });
    this.transcript = new Transcript({ pane, conversation, actions: app.actions }, () => this.empty());
    this.element = h(
      "section",
      { class: "chat-pane", onpointerdown: () => app.activate(this), onfocusin: () => app.activate(this) },
      h("header", { class: "pane-head" }, this.pick, this.price, this.gear, this.close),
      h("div", { class: "pane-body" }, h("div", { class: "pane-scroll" }, this.transcript.element, this.transcript.toEnd), this.settings.element),
    );
    this.settings.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.toggleSettings(false);
    });
    this.drawHead();
  }

  get model() {
    return this.app.models.get(this.pane.model);
  }

  // Its place among the panes has changed, or its model.
  drawHead(number = 1, of = 1) {
    const [organisation, name] = nameParts(this.pane.model || "No model");
    this.pick.replaceChildren(h("span", { class: "model-name clip" }, h("span", { class: "org" }, organisation), name), icon("down"));
    this.pick.title = this.pane.model;
    this.pick.setAttribute("aria-label", `Model: ${this.pane.model || "none"}. Choose another`);
    this.price.textContent = this.model ? priceTag(this.model) : this.pane.model ? "No longer offered" : "";
    this.element.setAttribute("aria-label", of > 1 ? `Pane ${number} of ${of}: ${name}` : name);
    this.transcript.element.setAttribute("aria-label", of > 1 ? `Transcript ${number}` : "Transcript");
    this.settings.element.setAttribute("aria-label", of > 1 ? `Settings of pane ${number}` : "Settings");
    this.close.hidden = of < 2;
    this.gear.toggleAttribute("data-set", Boolean(this.pane.system_prompt) || Object.keys(this.app.models.parametersOf(this.pane)).length > 0);
    this.label = name;
  }

  choose() {
    this.app.activate(this);
    this.app.picker.open(this.pane.model, (id) => this.use({ model: id }));
  }

  // Takes over a model, or a preset with everything it sets.
  use({ model, parameters, system_prompt: prompt, preset }) {
    Object.assign(this.pane, { model: model ?? this.pane.model, preset: preset ?? null });
    if (parameters) this.pane.parameters = structuredClone(parameters);
    if (prompt !== undefined) this.pane.system_prompt = prompt;
    this.settings.build();
    this.transcript.redraw();
    this.settingsChanged();
  }

  settingsChanged() {
    this.app.panesChanged();
  }

  toggleSettings(open = this.settings.element.hidden) {
    this.settings.element.hidden = !open;
    this.gear.setAttribute("aria-expanded", String(open));
    if (open) this.settings.prompt.focus();
    else if (!this.element.contains(document.activeElement) || document.activeElement === document.body) this.gear.focus();
  }

  empty() {
    const { model } = this;
    const preset = this.app.presets.get(this.pane.preset);
    const badges = (model?.capabilities ?? []).filter((one) => one !== "chat" && one !== "streaming");
    return h(
      "div",
      { class: "empty" },
      icon("play"),
      h("h2", {}, model ? `Ask ${this.label}` : this.pane.model ? "This model is no longer offered" : "Choose a model"),
      h("p", {}, model ? (model.description ?? "What you write below goes to this model, with the settings of this pane.") : "Pick one at the top of this pane."),
      preset ? h("p", { class: "small" }, `Begins with the preset “${preset.name}”.`) : null,
      badges.length ? h("span", { class: "badges" }, badges.map((one) => h("span", { class: "badge line" }, one.replaceAll("_", " ")))) : null,
    );
  }
}
