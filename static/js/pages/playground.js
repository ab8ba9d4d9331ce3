// The Playground's page; everything of it is in ../playground/.
import { Refused } from "../playground/api.js";
import { Playground } from "../playground/app.js";

const root = document.querySelector(".bench");
new Playground(root).start().catch((reason) => {
  const place = root.querySelector("[data-broken]");
  place.hidden = false;
  place.querySelector("span").textContent = reason instanceof Refused ? reason.message : "The Playground could not start. Reload the page.";
  if (!(reason instanceof Refused)) throw reason;
});
