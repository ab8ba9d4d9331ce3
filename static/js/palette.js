// The command palette: Ctrl K or Cmd K, or any [data-open-palette]. Its items come from the server when it is first opened.
const SHOWN_UNASKED = 6; // of a group, before anything is typed
const INFERENCE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGE = 8;

const dialog = document.getElementById("palette");
const input = dialog?.querySelector("[role=combobox]");
const list = dialog?.querySelector("[role=listbox]");
let items = [];
let shown = [];
let at = 0;
let loading = null;

async function load() {
  const answer = await fetch(dialog.dataset.source, { headers: { Accept: "text/html" } });
  if (answer.status === 401) return location.reload(); // logged out meanwhile
  if (!answer.ok) throw new Error(`the palette answered ${answer.status}`);
  list.innerHTML = await answer.text();
  items = [...list.querySelectorAll("[role=option]")].map((element, number) => {
    element.id = `palette-${number}`;
    const title = element.querySelector(".clip").textContent.toLowerCase();
    return { element, title, words: `${title} ${element.dataset.words} ${element.textContent}`.toLowerCase() };
  });
}

async function open() {
  if (dialog.open) return;
  dialog.showModal();
  input.select();
  loading ??= load();
  try {
    await loading;
  } catch {
    loading = null; // the next opening tries again
  }
  filter();
}

// 0: not at all; higher is better.
function rank({ title, words }, wanted) {
  if (!wanted.every((word) => words.includes(word))) return 0;
  const [first] = wanted;
  if (title.startsWith(first)) return 4;
  if (new RegExp(`[^a-z0-9]${first.replace(/[^a-z0-9]/g, "\\$&")}`).test(title)) return 3;
  return title.includes(first) ? 2 : 1;
}

function filter() {
  const text = input.value.trim();
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  shown = [];
  for (const group of list.querySelectorAll("[data-group]")) {
    let matching = items.filter(({ element }) => group.contains(element));
    if (wanted.length) {
      const ranked = matching.map((item) => ({ item, score: rank(item, wanted) })).filter(({ score }) => score);
      matching = ranked.sort((one, other) => other.score - one.score).map(({ item }) => item);
      group.append(...matching.map(({ element }) => element)); // the best comes first
    } else {
      group.append(...matching.map(({ element }) => element));
      matching = matching.slice(0, SHOWN_UNASKED);
    }
    for (const { element } of items) if (group.contains(element)) element.hidden = true;
    for (const { element } of matching) element.hidden = false;
    group.hidden = matching.length === 0;
    shown.push(...matching.map(({ element }) => element));
  }
  const found = inference(text);
  if (found) shown.unshift(found);
  dialog.querySelector(".palette-empty").hidden = shown.length > 0 || list.childElementCount === 0;
  choose(0);
}

// An Inference-Id is an address of its own.
function inference(text) {
  list.querySelector("[data-inference]")?.remove();
  if (!dialog.dataset.inferenceUrl || !INFERENCE_ID.test(text)) return null;
  const link = document.createElement("a");
  Object.assign(link, { className: "palette-item", id: "palette-inference", tabIndex: -1, textContent: `Inference ${text}` });
  link.href = dialog.dataset.inferenceUrl.replace("UUID", text.toLowerCase());
  link.role = "option";
  link.dataset.inference = "";
  list.prepend(link);
  return link;
}

function choose(wanted) {
  at = Math.max(0, Math.min(wanted, shown.length - 1));
  for (const option of list.querySelectorAll("[role=option]")) option.setAttribute("aria-selected", String(option === shown[at]));
  if (shown.length) {
    input.setAttribute("aria-activedescendant", shown[at].id);
    shown[at].scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

const MOVES = {
  ArrowDown: () => (at + 1) % shown.length,
  ArrowUp: () => (at + shown.length - 1) % shown.length,
  PageDown: () => at + PAGE,
  PageUp: () => at - PAGE,
};

if (dialog) {
  input.addEventListener("input", filter);
  input.addEventListener("keydown", (event) => {
    if (event.key in MOVES && shown.length) {
      choose(MOVES[event.key]());
      event.preventDefault();
    } else if (event.key === "Enter" && !event.isComposing) {
      shown[at]?.click();
      event.preventDefault();
    }
  });
  list.addEventListener("pointermove", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option && option !== shown[at]) choose(shown.indexOf(option));
  });
  list.addEventListener("copied", () => dialog.close());
  list.addEventListener("click", ({ target }) => {
    if (target.closest("a")) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", ({ target }) => target.closest("[data-open-palette]") && open());
  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const hint of document.querySelectorAll("[data-open-palette] kbd")) hint.textContent = "⌘ K";
  }
}
