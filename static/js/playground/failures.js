// Why an answer is not whole, in words, with what can be done.
import { h, icon } from "./dom.js";

const LOST = "The server stopped while this was being written. What had come is kept.";
const CUT = "The answer reached its token limit. Continue it, or raise Max tokens in the settings.";

// Elements to show below an answer; none when all went well.
export function failure(message, { pane, actions }) {
  const again = () => actions.regenerate(pane, message);
  if (message.status === "completed" && message.finish_reason === "length") {
    return [notice("warn", CUT, h("button", { class: "button small", type: "button", onclick: () => actions.goOn(pane, message) }, "Continue"))];
  }
  if (message.status === "lost") return [notice("warn", message.error?.message ?? LOST, tryAgain(null, again))];
  if (message.status !== "failed") return [];
  const { message: words = "The model could not answer.", action, retry_after_s: wait } = message.error ?? {};
  const link = action?.href?.startsWith("/") ? h("a", { class: "button small", href: action.href }, action.label) : null;
  return [notice("bad", words, link, tryAgain(wait, again))];
}

function notice(kind, words, ...buttons) {
  return h("div", { class: `notice ${kind} failure`, role: "alert" }, icon("warn"), h("span", {}, words), h("span", { class: "button-row" }, buttons));
}

// After a limit has refused, the button counts down until it can help.
function tryAgain(wait, again) {
  const button = h("button", { class: "button small", type: "button", onclick: again }, "Try again");
  if (!wait) return button;
  const until = performance.now() + wait * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(() => (button.isConnected ? tick() : clearInterval(timer)), 500);
  tick();
  return button;
}
