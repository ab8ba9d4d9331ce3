// In a model's form in the admin: what a price leaves at each backend, while it is typed. The server reckons (apps/catalog/price_admin.py).
const PAUSE_MS = 200;
const asked = new WeakMap(); // by row: what is waited for

document.addEventListener("input", ({ target }) => {
  const row = target.closest?.("#prices-group .dynamic-prices");
  if (!row || location.pathname.endsWith("/add/")) return; // a new model has no backends
  asked.get(row)?.abort();
  const asking = new AbortController();
  asked.set(row, asking);
  setTimeout(() => !asking.signal.aborted && show(row, asking.signal), PAUSE_MS);
});

async function show(row, signal) {
  const typed = new URLSearchParams();
  for (const { name, value } of row.querySelectorAll("input[name$=_price]")) typed.set(name.split("-").at(-1), value);
  const cell = row.querySelector(".field-margins p");
  try {
    const answer = await fetch(`../margins/?${typed}`, { signal });
    if (!answer.ok || answer.redirected) throw new Error(answer.ok ? "you are logged out" : `HTTP ${answer.status}`);
    cell.innerHTML = await answer.text();
  } catch (error) {
    if (!signal.aborted) cell.textContent = `The margin could not be worked out (${error.message}).`;
  }
}
