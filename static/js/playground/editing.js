// A message as a text that can be changed in place. The old one and what came below it stay, as another branch.
import { h } from "./dom.js";
import { contentOf, imagesOf, textOf } from "./store.js";

// Calls `finish(content)` with the new content, or with null when nothing is to change.
export function editor(message, finish) {
  const answer = message.role === "assistant";
  const area = h("textarea", { class: "input", rows: "3", "aria-label": answer ? "Edit answer" : "Edit message" });
  area.value = textOf(message.content);
  const send = () => {
    const images = imagesOf(message.content);
    const text = area.value.trim();
    if (!text && !images.length) area.focus();
    else finish(contentOf(text, images));
  };
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") finish(null);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return h(
    "form",
    { class: "message-editor", onsubmit: (event) => (event.preventDefault(), send()) },
    area,
    h("p", { class: "small muted" }, answer ? "The old answer stays, as another branch." : "The old message and its answers stay, as another branch."),
    h("div", { class: "button-row end" }, h("button", { class: "button small", type: "button", onclick: () => finish(null) }, "Cancel"), h("button", { class: "button small solid", type: "submit" }, answer ? "Use" : "Send")),
  );
}
