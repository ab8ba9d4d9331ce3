// data-copy="text" copies that text; data-copy-from="ID" copies what stands in an element, in a code block the visible pane.
import { toast } from "./toasts.js";

const MARKED_MS = 1600;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(textOf(button));
  } catch {
    toast("error", "The browser did not allow copying. Select the text and copy it by hand.");
    return;
  }
  button.dataset.copied = "";
  announce("Copied");
  button.dispatchEvent(new CustomEvent("copied", { bubbles: true }));
  setTimeout(() => delete button.dataset.copied, MARKED_MS);
});

function textOf(button) {
  if (button.dataset.copyFrom === undefined) return button.dataset.copy;
  const source = document.getElementById(button.dataset.copyFrom);
  if ("value" in source) return source.value;
  const panes = [...source.querySelectorAll("pre")];
  return (panes.find((pane) => pane.checkVisibility({ visibilityProperty: true })) ?? source).textContent;
}

// For screen readers alone.
export function announce(text) {
  const place = document.getElementById("announcements");
  if (place) place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}
