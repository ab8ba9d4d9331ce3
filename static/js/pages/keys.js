// The expiry of a key: quick choices, and the time as programs write it. Both are UTC, as the field says.
const DAY_MS = 86_400_000;

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-expires-in]");
  if (!button) return;
  const input = button.closest("form").querySelector("input[data-iso]");
  const days = Number(button.dataset.expiresIn);
  input.value = days ? `${new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10)}T00:00` : "";
  input.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("input", ({ target }) => {
  if (target.matches("input[data-iso]")) show(target);
});

function show(input) {
  const help = document.getElementById(`${input.id}_helptext`);
  if (!help) return;
  help.dataset.empty ??= help.textContent;
  help.textContent = input.value ? `${input.value}${input.value.length === 16 ? ":00" : ""}Z` : help.dataset.empty;
}

function showAll(within) {
  within.querySelectorAll("input[data-iso]").forEach(show);
}
showAll(document);
document.addEventListener("htmx:load", ({ detail }) => showAll(detail.elt));
