// What a model asks tools for. The results are typed in by hand, or pasted from where the tools really run.
import { h, icon } from "./dom.js";

export function toolCalls(message, { pane, actions }) {
  const open = message.status === "completed" && pane.head === message.id;
  const areas = new Map();
  const calls = message.tool_calls.filter(Boolean).map((call) => {
    const area = open ? h("textarea", { class: "input mono", rows: "2", placeholder: "Result, as JSON or text", "aria-label": `Result of ${call.function.name}` }) : null;
    if (area) areas.set(call.id, area);
    return h("div", { class: "tool-call" }, h("div", { class: "tool-name" }, icon("tool"), h("code", {}, call.function.name)), h("pre", { tabindex: "0" }, pretty(call.function.arguments)), area);
  });
  if (!open) return h("div", { class: "tool-calls" }, calls);
  const send = (event) => {
    event.preventDefault();
    actions.answerTools(pane, message, [...areas].map(([id, { value }]) => ({ tool_call_id: id, content: value })));
  };
  return h("form", { class: "tool-calls", onsubmit: send }, calls, h("div", { class: "button-row end" }, h("button", { class: "button small solid", type: "submit" }, areas.size > 1 ? "Send results" : "Send result")));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // still coming, or not JSON
  }
}
