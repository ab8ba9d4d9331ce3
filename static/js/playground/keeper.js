// Keeps what is not a message: the panes, and what stands in the composer. On the server once the conversation is there; before that
// in this tab alone.
import { call, Refused } from "./api.js";
import { debounced } from "./dom.js";
import { newPane } from "./store.js";

const PANES_MS = 400;
const DRAFT_MS = 700;
const UNSENT = "playground-unsent";
const MOST_KEEPALIVE = 60_000; // bytes a browser still sends for a page that is gone

export class Keeper {
  constructor(app) {
    this.app = app;
    this.panes = debounced(() => this.save(["panes"]), PANES_MS);
    this.draft = debounced(() => this.save(["draft"]), DRAFT_MS);
    addEventListener("pagehide", () => this.flush(true));
  }

  // What waits is kept now.
  flush(leaving = false) {
    this.leaving = leaving;
    return Promise.all([this.panes.now(), this.draft.now()]);
  }

  // The draft became a message.
  sent() {
    this.draft.cancel();
    sessionStorage.removeItem(UNSENT);
    return this.save(["draft"]);
  }

  async save(names) {
    const { conversation, composer } = this.app;
    if (!conversation.saved) return remember({ panes: conversation.panes, draft: composer.draft });
    const body = Object.fromEntries(names.map((name) => [name, name === "panes" ? conversation.keptPanes : composer.draft]));
    const keepalive = this.leaving && JSON.stringify(body).length < MOST_KEEPALIVE;
    try {
      await call(`${this.app.data.conversations}/${conversation.id}`, { method: "PATCH", body, keepalive });
    } catch (reason) {
      if (!(reason instanceof Refused)) throw reason;
      // Deleted elsewhere, or offline: the next change tries again, and nothing that was answered hangs on it.
    }
    return undefined;
  }

  // What was prepared for a conversation that has not begun, in this tab.
  get unsent() {
    try {
      const { panes, draft } = JSON.parse(sessionStorage.getItem(UNSENT)) ?? {};
      return { panes: (panes ?? []).map((pane) => newPane(pane.model, pane)), draft: draft ?? {} };
    } catch {
      return { panes: [], draft: {} };
    }
  }
}

function remember(unsent) {
  try {
    sessionStorage.setItem(UNSENT, JSON.stringify(unsent));
  } catch {
    // Pictures may not fit: the text does.
    sessionStorage.setItem(UNSENT, JSON.stringify({ ...unsent, draft: { ...unsent.draft, images: [] } }));
  }
}
