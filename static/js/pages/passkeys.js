// Passkeys: a form with data-passkey asks the browser for one when it is submitted, and carries what the browser says in its field
// `credential`. "login" fetches its challenge from the form's address; "authenticate" and "create" find it in #passkey-options.
const fromBase64 = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toBase64 = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// What the server writes as text and the browser wants as bytes.
function asOptions(written) {
  const options = { ...written, challenge: fromBase64(written.challenge) };
  if (options.user) options.user = { ...options.user, id: fromBase64(options.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    if (options[list]) options[list] = options[list].map((one) => ({ ...one, id: fromBase64(one.id) }));
  }
  return options;
}

function asText(credential) {
  const { response } = credential;
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  return JSON.stringify({
    id: credential.id,
    rawId: toBase64(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      ...Object.fromEntries(parts.filter((part) => response[part]).map((part) => [part, toBase64(response[part])])),
      ...(response.getTransports && { transports: response.getTransports() }),
    },
  });
}

async function ask(form) {
  if (form.dataset.passkey === "login") {
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status === 429 ? "Too many attempts: wait a minute." : "The site did not answer. Try again.");
    return navigator.credentials.get({ publicKey: asOptions((await answer.json()).request_options.publicKey) });
  }
  const written = JSON.parse(document.getElementById("passkey-options").textContent);
  if (form.dataset.passkey === "authenticate") return navigator.credentials.get({ publicKey: asOptions(written.request_options.publicKey) });
  const options = asOptions(written.creation_options.publicKey);
  // A passkey knows whose it is and asks for a finger, a face or a PIN, so that it stands for password and second factor at once.
  const authenticatorSelection = { ...options.authenticatorSelection, residentKey: "required", requireResidentKey: true, userVerification: "required" };
  return navigator.credentials.create({ publicKey: { ...options, authenticatorSelection } });
}

const WORDS = {
  NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none for this site here.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys need a site with a name and https.",
};

// Browsers keep passkeys for names, not for addresses such as 127.0.0.1.
const possible = window.PublicKeyCredential && window.isSecureContext && !/^[\d.]+$|:/.test(location.hostname);

for (const form of possible ? document.querySelectorAll("form[data-passkey]") : []) {
  const problem = form.querySelector("[data-passkey-error]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    problem.hidden = button.disabled = true;
    try {
      form.elements.credential.value = asText(await ask(form));
      form.submit();
    } catch (error) {
      problem.textContent = WORDS[error.name] ?? error.message;
      problem.hidden = button.disabled = false;
    }
  });
}
if (!possible) document.querySelectorAll("[data-no-passkeys]").forEach((one) => (one.hidden = false));
