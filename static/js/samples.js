// Code samples: the language that was chosen last is the one shown, on every page.
const KEY = "code-language";

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function show(language, within) {
  for (const tab of within.querySelectorAll("[data-language]")) if (tab.dataset.language === language) tab.checked = true;
}

document.addEventListener("change", ({ target }) => {
  const { language } = target.dataset;
  if (!language) return;
  show(language, document);
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // It holds for this page then.
  }
});
document.addEventListener("DOMContentLoaded", () => show(remembered(), document));
document.addEventListener("htmx:load", ({ detail }) => show(remembered(), detail.elt));
