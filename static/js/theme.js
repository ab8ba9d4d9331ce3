// The theme, before the first paint: what the reader chose, else what the system says (static/css/tokens.css).
const root = document.documentElement;

function chosen() {
  try {
    return localStorage.getItem("theme") ?? "auto";
  } catch {
    return "auto"; // storage may be blocked
  }
}

function apply(theme) {
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
}

function choose(theme) {
  apply(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It holds for this page then.
  }
}

function isDark() {
  return (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

function mark() {
  for (const input of document.querySelectorAll("[data-theme-choice]")) input.checked = input.value === chosen();
}

apply(chosen());
document.addEventListener("DOMContentLoaded", mark);
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-theme-choice]")) choose(target.value);
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-theme-toggle]")) choose(isDark() ? "light" : "dark");
});
addEventListener("storage", ({ key }) => {
  if (key !== "theme") return;
  apply(chosen());
  mark();
});
