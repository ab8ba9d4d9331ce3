// Elements, made by hand: nothing on this page is built from text that could hold markup.
const icons = new Map();

// h("button", { class: "button", onclick: send, "aria-label": "Send" }, icon("send"), "Send"); what is false or null is left out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value" || name === "hidden" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A drawing of <template id="playground-icons">.
export function icon(name) {
  if (!icons.size) {
    for (const one of document.getElementById("playground-icons").content.querySelectorAll("[data-icon]")) icons.set(one.dataset.icon, one.firstElementChild);
  }
  return icons.get(name).cloneNode(true);
}

export function iconButton(name, label, onclick, more = {}) {
  const classes = `button ghost icon-only small ${more.class ?? ""}`;
  return h("button", { type: "button", "aria-label": label, title: label, onclick, ...more, class: classes }, icon(name));
}

// Runs `write` once before the next frame, however often it was asked for; where several wait, as many as fit, the rest a frame later.
// What is written has to be laid out and painted too, which takes as long again: so this is an eighth of a frame.
const BUDGET_MS = 2;
const writes = new Set();

export function onNextFrame(write) {
  if (!writes.size) requestAnimationFrame(frame);
  writes.add(write);
}

function frame() {
  const until = performance.now() + BUDGET_MS;
  for (const write of writes) {
    writes.delete(write);
    write();
    if (performance.now() > until) break;
  }
  if (writes.size) requestAnimationFrame(frame);
}

// Runs `action` when it has not been asked for again during `ms`; `.now()` runs what waits at once.
export function debounced(action, ms) {
  let timer = null;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(later.now, ms);
  };
  later.now = () => {
    if (timer === null) return undefined;
    clearTimeout(timer);
    timer = null;
    return action();
  };
  later.cancel = () => {
    clearTimeout(timer);
    timer = null;
  };
  return later;
}
