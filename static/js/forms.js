// Forms: no second submission while the first is under way, passwords that can be looked at, focus on what was refused.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
});
// The page may come back from the browser's cache, or the form stay because htmx answers.
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
document.addEventListener("htmx:afterRequest", ({ target }) => delete target.closest?.("form")?.dataset.sent);

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-reveal]");
  if (!button) return;
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "text";
  input.type = shown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!shown));
});

// "Done" stays disabled until the box is ticked: <input type="checkbox" data-enables="ID">
document.addEventListener("change", ({ target }) => {
  if (target.dataset.enables) document.getElementById(target.dataset.enables).disabled = !target.checked;
});

function focusRefused(within) {
  within.querySelector("[data-focus]")?.focus();
}
document.addEventListener("DOMContentLoaded", () => focusRefused(document));
document.addEventListener("htmx:load", ({ detail }) => focusRefused(detail.elt));
