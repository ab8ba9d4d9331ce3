// Keys that work anywhere on the page. Single letters only while nothing is being written.
const WRITING = "input, textarea, select, [contenteditable]";

// `actions`: { focus, stop, newChat, addPane, settings, code, model, search, regenerate, help }.
export function listen(actions) {
  const withAlt = { KeyN: "newChat", KeyM: "model", KeyS: "settings", KeyC: "code", KeyP: "addPane", KeyR: "regenerate" };
  document.addEventListener("keydown", (event) => {
    // What is open above the page takes the keys first: Escape closes it.
    if (event.defaultPrevented || document.querySelector("dialog:modal, [popover]:popover-open")) return;
    const name = nameOf(event, withAlt);
    if (!name) return;
    event.preventDefault();
    actions[name]();
  });
}

function nameOf({ key, code, altKey, ctrlKey, metaKey, target }, withAlt) {
  if (ctrlKey || metaKey) return null;
  if (altKey) return withAlt[code] ?? null;
  if (key === "Escape") return "stop";
  if (target.closest?.(WRITING)) return null;
  return { "/": "focus", "?": "help" }[key] ?? null;
}
