// Messages that pass: those the page came with, those an htmx answer brings (header HX-Trigger, event `toast`), and our own.
const SHOWN_MS = 6000;

export function toast(level, text) {
  const list = document.querySelector("[data-toasts]");
  const made = document.getElementById("toast-template").content.cloneNode(true).firstElementChild;
  made.classList.add(level);
  made.querySelector(".text").textContent = text;
  const wanted = level === "warning" ? "error" : level;
  const icon = made.querySelector(`[data-icon="${wanted}"]`) ?? made.querySelector('[data-icon="info"]');
  icon.replaceWith(...icon.childNodes);
  for (const other of made.querySelectorAll("[data-icon]")) other.remove();
  list.append(made);
  raise(list);
  watch(made);
}

// A modal dialog makes everything outside it inert, so the messages go where the reader is.
function raise(list) {
  const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
  (dialog ?? document.body).append(list);
}

// Errors and warnings stay until they are dismissed.
function watch(made) {
  if (made.classList.contains("error") || made.classList.contains("warning")) return;
  let timer = setTimeout(() => made.remove(), SHOWN_MS);
  const hold = () => clearTimeout(timer);
  const go = () => {
    clearTimeout(timer);
    timer = setTimeout(() => made.remove(), SHOWN_MS);
  };
  made.addEventListener("pointerenter", hold);
  made.addEventListener("pointerleave", go);
  made.addEventListener("focusin", hold);
  made.addEventListener("focusout", go);
}

document.addEventListener("click", ({ target }) => target.closest("[data-dismiss]")?.closest("[data-toast], .notice")?.remove());
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-toast]").forEach(watch));
document.addEventListener("toast", ({ detail }) => {
  for (const { level, text } of detail.messages ?? [detail]) toast(level, text);
});
