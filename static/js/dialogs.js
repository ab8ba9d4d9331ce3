// Dialogs: <button data-open-dialog="ID"> opens <dialog id="ID">, [data-close-dialog] inside closes it. Escape and a click on the
// backdrop close it too, unless it is data-persistent. One that the server sent open (data-open) becomes modal at once.
function open(dialog) {
  if (dialog.matches(":modal")) return;
  dialog.removeAttribute("open");  // sent open for who has no script; closing it would be an event
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.openDialog);
    if (dialog) {
      event.preventDefault();
      open(dialog);
    }
    return;
  }
  const closer = event.target.closest("[data-close-dialog]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
  }
});

// The dialog element itself is only hit outside its content: on the backdrop.
document.addEventListener("pointerdown", ({ target }) => {
  if (!(target instanceof HTMLDialogElement) || "persistent" in target.dataset || !target.matches(":modal")) return;
  target.addEventListener("click", ({ target: released }) => released === target && target.close(), { once: true });
});
document.addEventListener(
  "cancel",
  (event) => {
    if (event.target instanceof HTMLDialogElement && "persistent" in event.target.dataset) event.preventDefault();
  },
  true,
);
// Chromium lets a second Escape through `cancel`, so a persistent dialog swallows the key itself.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.querySelector("dialog[data-persistent]:modal")) event.preventDefault();
});
// A dialog that came by htmx goes away with its closing.
document.addEventListener("close", ({ target }) => target instanceof HTMLDialogElement && "once" in target.dataset && target.remove(), true);

function openSent(within) {
  within.querySelectorAll("dialog[data-open]").forEach(open);
  if (within.matches?.("dialog[data-open]")) open(within);
}
document.addEventListener("DOMContentLoaded", () => openSent(document));
document.addEventListener("htmx:load", ({ detail }) => openSent(detail.elt));
