// The controls of a model's parameters, made from what /playground/models says of each. What is not set is not sent.
//
// Each has { element, sync(value), problem() }: `sync` shows a value, `problem` says in words what is wrong, or null.
import { h } from "./dom.js";
import { field } from "./field.js";
import { responseFormat, toolsEditor } from "./json-controls.js";

const MOST_STEPS = 400; // of a slider; beyond that a number is typed
const MOST_SEGMENTS = 4;
let made = 0;

export function controlOf(parameter, change) {
  const kinds = { number, integer: number, boolean, strings, choice, schema: responseFormat, tools: toolsEditor };
  return (kinds[parameter.kind] ?? number)(parameter, change);
}

function number(parameter, change) {
  const { minimum, maximum, step, kind } = parameter;
  const bounded = minimum !== null && maximum !== null && minimum !== undefined && maximum !== undefined;
  const each = step ?? (kind === "integer" ? 1 : 0.01);
  const input = h("input", { class: "input num", type: "number", inputmode: "decimal", min: minimum, max: maximum, step: kind === "integer" ? 1 : "any", placeholder: parameter.default ?? "Not set" });
  const slider = bounded && (maximum - minimum) / each <= MOST_STEPS ? h("input", { class: "range", type: "range", min: minimum, max: maximum, step: each, "aria-label": parameter.label }) : null;
  const { element, say, isSet } = field(parameter, input, { change, ...(slider ? { aside: input, body: [slider] } : {}) });
  element.classList.toggle("with-slider", slider !== null);
  let problem = null;
  const read = () => {
    const value = input.value === "" ? undefined : Number(input.value);
    problem = input.validity.badInput ? "Write a number." : outside(value, parameter);
    say(problem);
    if (!problem) change(value);
  };
  input.addEventListener("input", read);
  slider?.addEventListener("input", () => {
    input.value = slider.value;
    read();
  });
  const sync = (value) => {
    if (document.activeElement !== input) input.value = value ?? "";
    if (slider) {
      slider.value = value ?? parameter.default ?? minimum;
      slider.toggleAttribute("data-unset", value === undefined);
    }
    isSet(value !== undefined);
    if (value === undefined || !outside(value, parameter)) say((problem = null));
  };
  return { element, sync, problem: () => problem };
}

// In words what is wrong with a number that is no `parameter`'s, null where it is one's or not set.
export function outside(value, { minimum, maximum, kind, label }) {
  if (value === undefined) return null;
  if (!Number.isFinite(value)) return `${label} must be a number.`;
  if (kind === "integer" && !Number.isInteger(value)) return `${label} must be a whole number.`;
  const low = minimum !== null && minimum !== undefined && value < minimum;
  const high = maximum !== null && maximum !== undefined && value > maximum;
  if (!low && !high) return null;
  if (low) return `${label} must be at least ${minimum.toLocaleString("en")}.`;
  return `${label} must be at most ${maximum.toLocaleString("en")}.`;
}

function boolean(parameter, change) {
  const input = h("input", { class: "toggle", type: "checkbox", role: "switch", onchange: () => change(input.checked) });
  const { element, isSet } = field(parameter, input, { change, aside: input, body: [] });
  const sync = (value) => {
    input.checked = value ?? parameter.default ?? false;
    isSet(value !== undefined);
  };
  return { element, sync, problem: () => null };
}

// One a line; line breaks and tabs within one are written \n and \t.
function strings(parameter, change) {
  const most = parameter.maximum ?? 4;
  const area = h("textarea", { class: "input mono", rows: "2", placeholder: "One a line; \\n is a line break", spellcheck: "false" });
  const { element, say, isSet } = field(parameter, area, { change });
  let problem = null;
  area.addEventListener("input", () => {
    const lines = area.value.split("\n").filter(Boolean).map(unescaped);
    problem = lines.length > most ? `At most ${most} are allowed.` : null;
    say(problem);
    if (!problem) change(lines.length ? lines : undefined);
  });
  const sync = (value) => {
    const all = value === undefined ? [] : [value].flat();
    if (document.activeElement !== area) area.value = all.map(escaped).join("\n");
    isSet(value !== undefined);
    if (value === undefined) say((problem = null));
  };
  return { element, sync, problem: () => problem };
}

const unescaped = (line) => line.replace(/\\([nt\\])/g, (_, letter) => ({ n: "\n", t: "\t", "\\": "\\" })[letter]);
const escaped = (text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");

function choice(parameter, change) {
  const choices = parameter.choices ?? [];
  if (choices.length > MOST_SEGMENTS) return select(parameter, choices, change);
  const name = `choice-${(made += 1)}`;
  const radios = [undefined, ...choices].map((value) => h("input", { type: "radio", name, onchange: () => change(value) }));
  const group = h("div", { class: "segments", role: "radiogroup", "aria-label": parameter.label }, radios.map((radio, at) => h("label", {}, at ? capital(choices[at - 1]) : "Auto", radio)));
  const { element, isSet } = field(parameter, radios[0], { change, body: [group] });
  const sync = (value) => {
    radios[choices.indexOf(value) + 1].checked = true;
    isSet(value !== undefined);
  };
  return { element, sync, problem: () => null };
}

function select(parameter, choices, change) {
  const input = h("select", { class: "select", onchange: () => change(input.value || undefined) }, h("option", { value: "" }, "Auto"), choices.map((value) => h("option", { value }, capital(value))));
  const { element, isSet } = field(parameter, input, { change });
  const sync = (value) => {
    input.value = choices.includes(value) ? value : "";
    isSet(value !== undefined);
  };
  return { element, sync, problem: () => null };
}

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
