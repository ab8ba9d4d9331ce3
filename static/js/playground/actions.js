// What people do with messages: send, stop, generate again, edit, go on, choose a branch, answer tools.
import { toast } from "../toasts.js";
import { call } from "./api.js";
import { contentOf, sendable, titleOf } from "./store.js";

const UNSEEN = "(A picture that this model cannot look at.)";

export function actionsOf(app) {
  const { data } = app;
  // Everything that asks a model goes through here.
  const run = async (starts) => {
    const { conversation } = app;
    if (conversation.running.some(({ id }) => starts.some(({ pane }) => pane.head === id))) return false;
    try {
      await keep(app, conversation);
      await app.saving; // what was edited just before goes along where it could not be saved, and is not sent twice
    } catch (reason) {
      toast("error", reason.message);
      return false;
    }
    for (const { pane, parent } of starts) {
      const message = app.runs.start(conversation, pane, parent, app.models.parametersOf(pane));
      const view = app.views.find((one) => one.pane === pane);
      view?.transcript.redraw();
      view?.transcript.end();
      app.messageChanged(message, "state");
    }
    app.keeper.panes();
    return true;
  };
  const add = (pane, parent, fields) => {
    const message = app.conversation.add({ id: crypto.randomUUID(), parent, unsent: true, ...fields });
    app.conversation.claim(pane, message);
    pane.head = message.id;
    return message;
  };

  return {
    inferenceAddress: (id) => data.inference.replace("UUID", id),

    async send(text, images) {
      const blocked = app.views.find(({ settings }) => settings.problem());
      if (blocked) return point(blocked);
      if (app.views.some(({ pane }) => !pane.model)) return toast("error", "Choose a model first.");
      const { conversation, composer } = app;
      const heads = app.views.map(({ pane }) => pane.head);
      const size = text.length + images.reduce((sum, url) => sum + url.length, 0);
      const most = app.link.limits?.message_bytes;
      if (most && size > most) return toast("error", `This message is larger than ${(most / 1e6).toFixed(0)} MB. Send fewer or smaller pictures, or less text.`);
      const draft = composer.draft;
      if (!conversation.title) app.setTitle(titleOf(text));
      const starts = app.views.map(({ pane }) => {
        const content = contentOf(text, app.models.sees(pane.model) ? images : []) || UNSEEN;
        return { pane, parent: add(pane, answeredAbove(conversation, pane.head), { role: "user", content }).id };
      });
      composer.draft = {};
      app.views.forEach(({ transcript }) => transcript.redraw());
      if (await run(starts)) {
        app.keeper.sent();
        return undefined;
      }
      app.views.forEach(({ pane }, at) => (pane.head = heads[at]));
      starts.forEach(({ parent }) => conversation.remove(parent));
      app.views.forEach(({ transcript }) => transcript.redraw());
      composer.draft = draft;
      return undefined;
    },

    stopAll() {
      for (const { id } of app.conversation.running) app.runs.stop(id);
    },

    regenerate(pane, message) {
      if (message.refused) app.conversation.remove(message.id);
      return run([{ pane, parent: message.parent }]);
    },

    regenerateLast(pane) {
      const last = app.conversation.get(pane.head);
      if (last?.role === "assistant" && last.status !== "running") this.regenerate(pane, last);
    },

    edit(pane, message, content) {
      if (message.role === "assistant") {
        const made = add(pane, message.parent, { role: "assistant", content, model: "", status: "completed" });
        app.views.find((one) => one.pane === pane).transcript.redraw();
        app.saving = save(app, app.conversation, made);
        return app.saving;
      }
      const made = add(pane, message.parent, { role: "user", content });
      return run([{ pane, parent: made.id }]);
    },

    goOn: (pane, message) => run([{ pane, parent: message.id }]),

    choose(pane, id) {
      pane.head = app.conversation.endOf(id);
      const view = app.views.find((one) => one.pane === pane);
      view.transcript.redraw();
      view.transcript.element.querySelector(`[data-id="${id}"]`)?.scrollIntoView({ block: "nearest" });
      app.keeper.panes();
    },

    answerTools(pane, message, results) {
      let parent = message.id;
      for (const result of results) parent = add(pane, parent, { role: "tool", ...result }).id;
      return run([{ pane, parent }]);
    },
  };
}

// The conversation has to be there before something runs in it. Asked for twice, it is made once.
async function keep(app, conversation) {
  if (conversation.saved) return;
  const { id, title } = conversation;
  await call(app.data.conversations, { method: "POST", body: { id, title, panes: conversation.keptPanes } });
  conversation.saved = true;
  history.replaceState(null, "", `?c=${id}`);
  app.rail.touch({ id, title });
  app.rail.show(id);
}

// Keeps a message that no model is asked with now. Where that fails it goes along with the next run below it.
async function save(app, conversation, message) {
  const [parent, unsent] = conversation.unsentAbove(message.id);
  const messages = unsent.map(sendable);
  try {
    await call(`${app.data.conversations}/${conversation.id}/messages`, { method: "POST", body: { parent, messages } });
  } catch (reason) {
    return toast("error", `The edited answer is not saved yet: ${reason.message}`);
  }
  for (const one of unsent) delete one.unsent;
  return app.conversation === conversation && app.keeper.panes();
}

// Where the next question goes: not below an answer that never ran.
function answeredAbove(conversation, head) {
  let message = conversation.get(head);
  while (message?.refused) message = conversation.get(message.parent);
  return message?.id ?? null;
}

function point(view) {
  const { element, words } = view.settings.problem();
  view.toggleSettings(true);
  element.scrollIntoView({ block: "nearest" });
  element.querySelector("[aria-invalid=true]")?.focus();
  toast("error", `${view.label}: ${words}`);
}
