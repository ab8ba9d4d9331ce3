// The button of the top-up dialog says what it will do: pay so much with a saved card, or lead to Stripe's page.
function say(form) {
  const data = new FormData(form);
  const amount = data.get("amount") === "other" ? data.get("other") : data.get("amount");
  const dollars = /^\d{1,6}(\.\d{1,2})?$/.test(amount) ? ` $${Number(amount).toFixed(2)}` : "";
  form.querySelector("[type=submit]").textContent = data.get("way") === "stripe" ? "Continue to payment" : `Pay${dollars}`;
}

function sayAll(within) {
  const forms = within.matches?.("[data-top-up]") ? [within] : within.querySelectorAll("[data-top-up]");
  forms.forEach(say);
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest("[data-top-up]");
  if (!form) return;
  say(form);
  if (target.name === "amount" && target.value === "other") form.elements.other.focus();
});
sayAll(document);
document.addEventListener("htmx:load", ({ detail }) => sayAll(detail.elt));
