// htmx with the page's CSRF token. What it may do is set in templates/base.html (meta htmx-config).
import htmx from "htmx.org";

import { toast } from "./toasts.js";

window.htmx = htmx;

document.addEventListener("htmx:configRequest", ({ detail }) => {
  const token = document.querySelector('meta[name="csrf-token"]');
  if (token) detail.headers["X-CSRFToken"] = token.content;
});
// What asks again and again rests while nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && "poll" in event.detail.elt.dataset) event.preventDefault();
});
document.addEventListener("htmx:responseError", ({ detail }) => {
  const { status } = detail.xhr;
  if (status === 401 || status === 403) toast("error", "You are not logged in any more, or may not do this. Reload the page.");
  else if (status === 404) toast("error", "That is not there any more. Reload the page.");
  else if (status === 429) toast("error", "Too many requests. Wait a moment and try again.");
  else toast("error", "That did not work on our side. Try again in a moment.");
});
document.addEventListener("htmx:sendError", () => toast("error", "The server cannot be reached. Check your connection and try again."));
