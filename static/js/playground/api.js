// The JSON addresses of the server. What is refused comes as `Refused`, with words that can be shown.
export class Refused extends Error {
  constructor(status, error = {}) {
    super(error.message ?? `The server answered ${status}. Try again in a moment.`);
    this.status = status;
    this.param = error.param ?? null;
  }
}

export async function call(address, { method = "GET", body, keepalive = false, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = document.querySelector('meta[name="csrf-token"]').content;
  let answer;
  try {
    answer = await fetch(address, { method, headers, keepalive, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (reason) {
    if (reason.name === "AbortError") throw reason;
    throw new Refused(0, { message: "The server could not be reached. Check your connection and try again." });
  }
  if (answer.status === 401 || answer.redirected) {
    location.reload(); // logged out meanwhile: the log-in page comes
    return new Promise(() => {});
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let content = {};
  try {
    content = JSON.parse(text);
  } catch {
    if (answer.ok) throw new Refused(answer.status, { message: "The server's answer could not be read. Reload the page." });
  }
  if (!answer.ok) throw new Refused(answer.status, content.error);
  return content;
}
