// The documentation: "/" goes to the search, Escape leaves it; a heading's link is copied; the part being read is marked at the side.
import "../htmx.js";

const search = document.getElementById("docs-q");

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select, [contenteditable]")) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search && search.value) {
    event.preventDefault();
    search.value = "";
    search.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

document.addEventListener("click", ({ target }) => {
  const link = target.closest("a[data-heading]");
  if (link) link.dataset.copy = link.href; // static/js/copy.js copies it; the browser goes there all the same
}, { capture: true });

const entries = new Map([...document.querySelectorAll(".docs-toc a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
const headings = [...entries.keys()].map((anchor) => document.getElementById(anchor)).filter(Boolean);
const LINE = 120; // px from the top: what is above it has been read

function mark() {
  const current = headings.findLast((heading) => heading.getBoundingClientRect().top < LINE) ?? headings[0];
  for (const [anchor, link] of entries) link.toggleAttribute("data-current", anchor === current?.id);
}

if (headings.length) {
  document.addEventListener("scroll", mark, { passive: true });
  mark();
}
