// The charts of the usage page, drawn again when htmx brings others.
import { drawAll } from "../charts.js";

document.addEventListener("htmx:load", ({ detail }) => drawAll(detail.elt));
drawAll(document);
// What says nothing stays out of the address.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.matches(".usage-head")) return;
  for (const [name, value] of Object.entries(detail.parameters)) if (value === "") delete detail.parameters[name];
});
