// The API reference's calls: with the key typed in, else as whoever is logged in. They go to this site alone; the key is kept nowhere.
const MOST = 100_000; // characters of an answer that are shown
const key = document.getElementById("try-key");

// The operation that an address names is open; so is all around a field that it names.
function openNamed() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named) return;
  for (let around = named.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  named.scrollIntoView();
}
window.addEventListener("hashchange", openNamed);
openNamed();

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-try]");
  if (!form) return;
  event.preventDefault();
  send(form);
});

async function send(form) {
  const [said, answer, button] = ["[data-said]", "[data-answer]", "[type=submit]"].map((one) => form.querySelector(one));
  const { method, path, management, needsKey } = form.dataset;
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
  const asLoggedIn = management !== undefined && !key.value.trim() && csrf;
  answer.hidden = true;
  if (needsKey !== undefined && !key.value.trim() && !asLoggedIn) {
    said.textContent = "Type your key into the field at the top first.";
    key.focus();
    return;
  }
  if (asLoggedIn && method !== "GET" && !confirm(`${method} ${path} changes your account. Send it?`)) return;
  const headers = {};
  if (key.value.trim()) headers.Authorization = `Bearer ${key.value.trim()}`;
  else if (asLoggedIn) headers["X-CSRFToken"] = csrf;
  const body = form.elements.body?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  button.disabled = true;
  said.textContent = "Waiting for the answer…";
  const began = performance.now();
  try {
    const response = await fetch(address(form, path), { method, headers, body, credentials: asLoggedIn ? "same-origin" : "omit" });
    const text = await read(response, answer);
    const id = response.headers.get("Inference-Id");
    said.textContent = `${response.status} in ${Math.round(performance.now() - began)} ms${id ? ` · ${id}` : ""}`;
    answer.textContent = pretty(text) || "(empty)";
    answer.hidden = false;
  } catch {
    said.textContent = "The call did not get through. Check the key for characters that do not belong there, and your connection.";
  } finally {
    button.disabled = false;
  }
}

function address(form, path) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { name, value, dataset } of form.querySelectorAll("[data-place]")) {
    if (dataset.place === "path") filled = filled.replace(`{${name}}`, value.split("/").map(encodeURIComponent).join("/"));
    else if (value) query.set(name, value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

// A stream is shown as it comes.
async function read(response, answer) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader && text.length < MOST) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += value;
    answer.textContent = text;
    answer.hidden = false;
  }
  await reader?.cancel();
  return text.slice(0, MOST);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
