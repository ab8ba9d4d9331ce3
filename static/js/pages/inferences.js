// The log: an address without what says nothing, new rows as they settle, and one inference beside the list.
import { toast } from "../toasts.js";

const EVERY_MS = 2000;
const MOST_ROWS = 400; // beyond this the list begins anew
const LIVE_KEY = "inferences-live";

// --- filters: empty ones stay out of the address
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.matches("#filters")) return; // not its id, which is the field of that name
  for (const [name, value] of Object.entries(detail.parameters)) if (value === "") delete detail.parameters[name];
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, dialog")) return;
  event.preventDefault();
  document.getElementById("filter-id")?.focus();
});

function shownFilters() {
  const parameters = new URLSearchParams(location.search);
  for (const name of ["open", "before"]) parameters.delete(name);
  return parameters;
}

function listAddress(parameters = shownFilters()) {
  return `/inferences${parameters.size ? `?${parameters}` : ""}`;
}

// --- live
let asking = false;

async function ask() {
  const toggle = document.getElementById("live");
  const log = document.getElementById("log");
  if (!toggle?.checked || asking || document.hidden || !log) return;
  asking = true;
  try {
    const parameters = shownFilters();
    parameters.set("settled_after", log.dataset.askedAt);
    const answer = await fetch(`${toggle.dataset.source}?${parameters}`);
    if (log !== document.getElementById("log")) return; // filtered anew meanwhile
    if (answer.status === 205) return beginAnew();
    if (!answer.ok) throw new Error(`the log answered ${answer.status}`);
    log.dataset.askedAt = answer.headers.get("X-Asked-At");
    if (answer.status === 200) add(await answer.text());
  } catch {
    toggle.checked = false;
    toast("error", "New inferences could not be fetched. Switch Live on again in a moment.");
  } finally {
    asking = false;
  }
}

function add(html) {
  const body = document.getElementById("log-rows");
  if (!body) return beginAnew();
  const made = document.createElement("tbody");
  made.innerHTML = html;
  const oldest = [...body.querySelectorAll("tr[data-id]")].at(-1)?.dataset.id ?? "";
  const complete = !body.querySelector(".more");
  for (const row of made.querySelectorAll("tr[data-id]")) {
    const { id } = row.dataset;
    if (body.querySelector(`[data-id="${id}"]`) || (id < oldest && !complete)) continue; // older than what is shown: "Load more" finds it
    row.dataset.new = "";
    const next = [...body.querySelectorAll("tr[data-id]")].find((other) => other.dataset.id < id);
    body.insertBefore(row, next ?? body.querySelector(".more"));
  }
  if (body.childElementCount > MOST_ROWS && scrollY < 200) beginAnew();
}

function beginAnew() {
  return window.htmx.ajax("GET", listAddress(), { target: "#log", swap: "outerHTML" });
}

function remembered() {
  try {
    return localStorage.getItem(LIVE_KEY) !== "off";
  } catch {
    return true; // storage may be blocked
  }
}

function prepare() {
  const toggle = document.getElementById("live");
  if (toggle && !("prepared" in toggle.dataset)) {
    toggle.dataset.prepared = "";
    toggle.checked = remembered();
  }
}
document.addEventListener("change", ({ target }) => {
  if (target.id !== "live") return;
  try {
    localStorage.setItem(LIVE_KEY, target.checked ? "on" : "off");
  } catch {
    // It holds for this page then.
  }
  if (target.checked) ask();
});
document.addEventListener("htmx:load", prepare);
prepare();
setInterval(ask, EVERY_MS);

// --- one of them beside the list
async function show(id, link) {
  const panel = document.getElementById("panel");
  mark(id);
  panel.dataset.shown = id;
  panel.hidden = false;
  panel.setAttribute("aria-busy", "true");
  // With the panel as its source it waits for no other request of the page, and one row after the other asks for the last alone.
  await window.htmx.ajax("GET", link.getAttribute("href"), { source: panel, target: panel, swap: "innerHTML" });
  if (panel.dataset.shown !== id) return;
  panel.removeAttribute("aria-busy");
  panel.querySelector("[data-panel-title]")?.focus({ preventScroll: true });
}

function mark(id) {
  for (const row of document.querySelectorAll("#log-rows tr[data-id]")) {
    if (row.dataset.id === id) row.setAttribute("aria-selected", "true");
    else row.removeAttribute("aria-selected");
  }
}

function remember(id) {
  const parameters = shownFilters();
  if (id) parameters.set("open", id);
  const open = new URLSearchParams(location.search).has("open");
  history.replaceState({ htmx: true }, ""); // going back to it is htmx's to do
  // Looking from one to the next is one step of the history.
  history[id && open ? "replaceState" : "pushState"]({ htmx: true }, "", listAddress(parameters));
}

function close() {
  const panel = document.getElementById("panel");
  if (!panel || panel.hidden) return;
  const row = document.querySelector("#log-rows tr[aria-selected] .row-link");
  panel.hidden = true;
  panel.replaceChildren();
  mark(null);
  remember(null);
  row?.focus({ preventScroll: true });
}

// Filtered anew, the list keeps what is open beside it.
document.addEventListener("htmx:pushedIntoHistory", () => {
  const panel = document.getElementById("panel");
  if (!panel || panel.hidden) return;
  const parameters = shownFilters();
  parameters.set("open", panel.dataset.shown);
  history.replaceState({ htmx: true }, "", listAddress(parameters));
});
document.addEventListener("htmx:afterSettle", () => {
  const panel = document.getElementById("panel");
  if (panel && !panel.hidden) mark(panel.dataset.shown);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-panel]")) {
    event.preventDefault();
    close();
    return;
  }
  const link = event.target.closest("#log-rows .row-link");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { id } = link.closest("tr").dataset;
  remember(id);
  show(id, link);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open], :popover-open")) return close();
  const link = event.target.closest?.("#log-rows .row-link");
  if (!link || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const links = [...document.querySelectorAll("#log-rows .row-link")];
  links[links.indexOf(link) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  event.preventDefault();
});
