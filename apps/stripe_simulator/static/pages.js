// What script adds to the pages: a test card at a click, and one payment for an impatient double click.
for (const button of document.querySelectorAll("[data-card]")) {
  button.addEventListener("click", () => {
    const fill = { number: button.dataset.card, expiry: "12/34", cvc: "123" };
    for (const [name, value] of Object.entries(fill)) document.getElementById(name).value = value;
    document.querySelector("form .button").focus();
  });
}
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  });
}
addEventListener("pageshow", (event) => event.persisted && location.reload());
