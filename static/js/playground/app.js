// The Playground: one conversation with its panes, and what is around them. Views call `actions`; frames come from runs.js.
import { announce } from "../copy.js";
import { toast } from "../toasts.js";
import { actionsOf } from "./actions.js";
import { getReady, ready } from "./answer.js";
import { call } from "./api.js";
import { CodeView } from "./code-view.js";
import { Composer } from "./composer.js";
import { Conversations } from "./conversations.js";
import { totalsOf } from "./figures.js";
import { Keeper } from "./keeper.js";
import { Models, nameParts } from "./models.js";
import { ModelPicker } from "./model-picker.js";
import { PaneView } from "./pane.js";
import { Presets } from "./presets.js";
import { Runs } from "./runs.js";
import { listen } from "./shortcuts.js";
import { Link } from "./socket.js";
import { Conversation, MOST_PANES, newPane } from "./store.js";
import { Tabs } from "./tabs.js";

export class Playground {
  constructor(root) {
    Object.assign(this, { root, data: root.dataset, views: [] });
    this.place = root.querySelector("[data-panes]");
    this.total = root.querySelector("[data-total]");
    this.heading = root.querySelector("h1");
    this.banner = root.querySelector("[data-connection]");
    this.add = root.querySelector("[data-add-pane]");
    this.tabs = new Tabs(root.querySelector("[data-tabs]"), this.place, (view) => (this.active = view));
    this.keeper = new Keeper(this);
    this.ask = async (id, head, most) => (await call(`${this.data.conversations}/${id}/messages?${new URLSearchParams({ head, most })}`)).messages;
    this.actions = actionsOf(this);
    this.link = new Link(this.data.socket);
    this.runs = new Runs(this.link, {
      changed: (message, what) => this.messageChanged(message, what),
      missed: (conversation) => conversation === this.conversation && this.readAgain(),
      refused: (error) => toast("error", error.message),
    });
    this.link.addEventListener("open", () => this.connection(null));
    this.link.addEventListener("lost", () => this.connection(this.runs.running.size ? "The connection was lost. The answers go on; trying to reconnect…" : "The connection was lost. Trying to reconnect…"));
    this.link.addEventListener("ended", ({ detail }) => this.connection(detail));
  }

  async start() {
    this.presets = new Presets(this, this.data.presets);
    const { models } = await call(this.data.models);
    this.models = new Models(models);
    await ready;
    this.composer = new Composer(this.root.querySelector(".composer"), {
      send: (text, images) => this.actions.send(text, images),
      stop: () => this.actions.stopAll(),
      changed: () => this.keeper.draft(),
    });
    this.picker = new ModelPicker(document.getElementById("model-picker"), this.models);
    this.code = new CodeView(document.getElementById("view-code"), this.data.api);
    this.rail = new Conversations(document.getElementById("rail"), this.data.conversations, {
      open: (id) => this.open(id, true),
      renamed: (id, title) => id === this.conversation.id && this.setTitle(title),
      deleted: (id) => id === this.conversation.id && this.fresh(),
    });
    this.root.querySelectorAll("[data-new]").forEach((button) => button.addEventListener("click", () => this.fresh()));
    this.add.addEventListener("click", () => this.addPane());
    this.root.querySelector("[data-code]").addEventListener("click", () => this.viewCode());
    addEventListener("popstate", () => this.fromAddress());
    this.listenToKeys();
    this.link.open();
    this.rail.load();
    await Promise.all([this.fromAddress(), this.presets.loaded]);
    this.root.dataset.ready = "";
    requestIdleCallback(getReady);
  }

  listenToKeys() {
    listen({
      focus: () => this.composer.area.focus(),
      stop: () => this.composer.running && this.actions.stopAll(),
      newChat: () => this.fresh(),
      addPane: () => this.addPane(),
      settings: () => this.active.toggleSettings(),
      code: () => this.viewCode(),
      model: () => this.active.choose(),
      regenerate: () => this.actions.regenerateLast(this.active.pane),
      help: () => document.getElementById("shortcuts").showModal(),
    });
  }

  async viewCode() {
    const { active, conversation } = this;
    try {
      await conversation.read(conversation.get(active.pane.head)); // the request holds all of it
    } catch (reason) {
      return toast("error", reason.message);
    }
    return this.code.open(active, conversation, this.models, this.composer.draft);
  }

  // ?c=ID opens a conversation, ?model=ID begins one with that model, ?preset=SLUG with that preset.
  async fromAddress() {
    const query = new URLSearchParams(location.search);
    if (query.get("c")) return this.open(query.get("c"));
    await this.presets.loaded;
    return query.has("preset") ? this.presets.begin(query.get("preset")) : this.fresh(query.get("model"));
  }

  async open(id, push = false) {
    const asked = (this.asked = Symbol(id));
    await this.keeper.flush();
    let kept;
    try {
      kept = await call(`${this.data.conversations}/${id}`);
    } catch (reason) {
      toast("error", reason.status === 404 ? "This conversation is not there any more." : reason.message);
      return this.conversation ? undefined : this.fresh();
    }
    if (this.asked !== asked) return undefined; // another was chosen meanwhile
    if (push) history.pushState(null, "", `?c=${id}`);
    const conversation = new Conversation(kept, this.ask, true);
    this.show(conversation, kept.draft ?? {});
    for (const message of conversation.running) {
      if (this.runs.running.has(message.id)) this.runs.rebind(conversation, message);
      else this.runs.adopt(conversation, message);
    }
    return undefined;
  }

  // What became of answers while nobody listened. All else on the page stays as it is.
  async readAgain() {
    const { conversation } = this;
    let kept;
    try {
      kept = await call(`${this.data.conversations}/${conversation.id}`);
    } catch (reason) {
      return toast("error", reason.message);
    }
    conversation.merge(kept.messages, this.runs.running);
    for (const message of conversation.running) if (!this.runs.running.has(message.id)) this.runs.adopt(conversation, message);
    if (conversation === this.conversation) for (const { transcript } of this.views) transcript.redraw();
    return this.progress();
  }

  // A conversation that is not kept before something is asked in it: with the model or the preset that is asked for, with what was
  // prepared in this tab, or with the account's default preset.
  fresh(model = null, preset = null) {
    this.asked = null;
    this.keeper.flush();
    if (new URLSearchParams(location.search).has("c")) history.pushState(null, "", location.pathname);
    const { panes, draft } = this.keeper.unsent;
    const known = panes.filter((pane) => this.models.get(pane.model)).map((pane) => ({ ...pane, head: null, own: [] }));
    const usual = preset ?? (model ? null : this.presets.usual);
    const first = this.models.get(model ?? usual?.model) ?? this.models.list[0];
    const made = newPane(first?.id ?? "", usual ? { parameters: usual.parameters, system_prompt: usual.system_prompt, preset: usual.slug } : {});
    this.show(new Conversation({ panes: model || preset || !known.length ? [made] : known }, this.ask), draft);
    this.composer.area.focus();
  }

  show(conversation, draft) {
    this.conversation = conversation;
    this.views = conversation.panes.map((pane) => new PaneView(pane, conversation, this));
    this.active = this.views[0];
    for (const { settings } of this.views) settings.save.hidden = !this.presets.offered;
    this.setTitle(conversation.title);
    this.composer.draft = draft;
    this.rail.show(conversation.id);
    this.drawPanes();
    for (const { transcript } of this.views) transcript.draw();
    this.progress();
  }

  setTitle(title) {
    this.conversation.title = title;
    this.heading.textContent = title || "New chat";
    document.title = `${title || "Playground"} · AkashML`;
  }

  drawPanes() {
    this.place.replaceChildren(...this.views.map(({ element }) => element));
    this.place.dataset.count = this.views.length;
    this.add.disabled = this.views.length >= MOST_PANES;
    this.drawHeads();
  }

  drawHeads() {
    this.views.forEach((view, at) => view.drawHead(at + 1, this.views.length));
    this.tabs.draw(this.views);
    this.composerShow();
  }

  composerShow() {
    this.composer.show({
      names: this.views.map(({ pane }) => nameParts(pane.model)[1]),
      sees: this.views.some(({ pane }) => this.models.sees(pane.model)),
      running: this.conversation.running.length > 0,
    });
  }

  activate(view) {
    this.active = view;
    this.tabs.mark(view);
  }

  panesChanged() {
    this.drawHeads();
    this.keeper.panes();
  }

  addPane() {
    if (this.views.length >= MOST_PANES) return;
    const { pane: last } = this.views.at(-1);
    const used = new Set(this.views.map(({ pane }) => pane.model));
    const model = this.models.list.find(({ id }) => !used.has(id))?.id ?? last.model;
    const pane = newPane(model, { head: last.head, own: last.own ?? [], system_prompt: last.system_prompt, model });
    this.conversation.panes.push(pane);
    const view = new PaneView(pane, this.conversation, this);
    view.settings.save.hidden = !this.presets.offered;
    this.views.push(view);
    this.drawPanes();
    view.transcript.draw();
    this.activate(view);
    view.pick.focus();
    view.element.scrollIntoView({ inline: "start", block: "nearest" });
    this.keeper.panes();
  }

  closePane(view) {
    const running = this.conversation.chain(view.pane).find(({ status }) => status === "running");
    if (running) this.runs.stop(running.id);
    this.conversation.panes = this.conversation.panes.filter((pane) => pane !== view.pane);
    this.views = this.views.filter((one) => one !== view);
    if (this.active === view) this.active = this.views[0];
    this.drawPanes();
    this.keeper.panes();
    this.active.pick.focus();
  }

  messageChanged(message, what) {
    for (const { transcript } of this.views) transcript.changed(message, what);
    if (what === "delta") return;
    if (message.status !== "running") {
      announce(message.status === "failed" ? `The answer failed: ${message.error?.message ?? ""}` : "The answer is finished");
      this.keeper.panes();
    }
    this.progress();
  }

  progress() {
    this.composerShow();
    this.total.textContent = totalsOf(this.conversation.totals);
    this.total.title = "All answers of this conversation";
  }

  connection(words) {
    this.banner.hidden = !words;
    this.banner.querySelector("span").textContent = words ?? "";
  }
}
