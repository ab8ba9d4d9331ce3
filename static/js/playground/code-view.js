// “View code”: the dialog with the request of the pane in four languages.
import { bodyOf, SAMPLES } from "./request-code.js";
import { contentOf } from "./store.js";

const LANGUAGES = { curl: "bash", python: "python", javascript: "javascript", anthropic: "python" };

export class CodeView {
  constructor(dialog, base) {
    Object.assign(this, { dialog, base });
  }

  async open({ pane, label }, conversation, models, { text, images }) {
    const request = { ...pane, parameters: models.parametersOf(pane) };
    const draft = text.trim() || images.length ? contentOf(text.trim(), images) : null;
    const body = bodyOf(request, conversation.chain(pane), draft);
    this.dialog.querySelector("[data-of]").textContent = label;
    const panes = [...this.dialog.querySelectorAll("pre[data-sample]")];
    for (const one of panes) one.textContent = SAMPLES[one.dataset.sample](body, this.base);
    this.dialog.showModal();
    const { colour } = await import("./highlight.js");
    for (const one of panes) colour(one, LANGUAGES[one.dataset.sample]);
  }
}
