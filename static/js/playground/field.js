// What stands around the control of a parameter: label, reset, explanation, error.
import { h, iconButton } from "./dom.js";

let made = 0;

// Label with its reset, the control, the explanation, and the place of an error. `inputs` are what the label is for.
export function field(parameter, input, { change, aside = null, body = [input] }) {
  const id = `parameter-${(made += 1)}`;
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-help ${id}-error`);
  const reset = iconButton("refresh", `Reset ${parameter.label}`, () => change(undefined), { hidden: true });
  const error = h("span", { id: `${id}-error`, hidden: true });
  const element = h(
    "div",
    { class: "field", "data-parameter": parameter.name },
    h("div", { class: "field-head" }, h("label", { for: id }, parameter.label), reset, aside),
    ...body,
    h("span", { class: "help", id: `${id}-help` }, explained(parameter)),
    error,
  );
  const say = (words) => {
    error.hidden = !words;
    error.className = words ? "error" : "";
    error.textContent = words ?? "";
    input.setAttribute("aria-invalid", String(Boolean(words)));
  };
  return { element, say, isSet: (set) => (reset.hidden = !set) };
}

function explained({ help, default: usual, kind }) {
  const known = usual !== null && usual !== undefined && typeof usual !== "object";
  return [help, known && kind !== "choice" ? `Usually ${usual}.` : ""].filter(Boolean).join(" ");
}
