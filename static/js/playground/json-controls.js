// Parameters that are JSON: the format of the answer with its schema, and the tools a model may ask for.
import { h } from "./dom.js";
import { field } from "./field.js";

const SCHEMA = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"], additionalProperties: false };
const TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather in a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const FORMATS = { text: "Text", json_object: "JSON", json_schema: "JSON schema" };

// An area for JSON that says where it does not parse. `read(value)` gives the parameter, or throws words.
function jsonArea(label, placeholder) {
  return h("textarea", { class: "input mono json", rows: "6", spellcheck: "false", autocapitalize: "off", "aria-label": label, placeholder });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (reason) {
    const at = /position (\d+)/.exec(reason.message)?.[1];
    const line = at === undefined ? "" : ` (line ${text.slice(0, Number(at)).split("\n").length})`;
    throw new Error(`This is not JSON yet${line}.`);
  }
}

const pretty = (value) => JSON.stringify(value, null, 2);

export function responseFormat(parameter, change) {
  const select = h("select", { class: "select" }, parameter.choices.map((value) => h("option", { value }, FORMATS[value] ?? value)));
  const area = jsonArea("JSON schema of the answer", pretty(SCHEMA));
  const { element, say, isSet } = field(parameter, select, { change, body: [select, area] });
  let problem = null;
  let about = { name: "answer", strict: true }; // what a schema came with stays with it
  const read = () => {
    area.hidden = select.value !== "json_schema";
    if (area.hidden) return settle(select.value === "text" ? undefined : { type: select.value });
    if (!area.value.trim()) area.value = pretty(SCHEMA);
    try {
      const schema = parsed(area.value);
      if (Array.isArray(schema) || typeof schema !== "object" || !schema) throw new Error("A schema is an object: { … }.");
      return settle({ type: "json_schema", json_schema: { ...about, schema } });
    } catch (reason) {
      return say((problem = reason.message));
    }
  };
  const settle = (value) => {
    say((problem = null));
    change(value);
  };
  select.addEventListener("change", read);
  area.addEventListener("input", read);
  const sync = (value) => {
    select.value = parameter.choices.includes(value?.type) ? value.type : "text";
    area.hidden = select.value !== "json_schema";
    const { schema, ...rest } = value?.json_schema ?? {};
    if (schema) about = rest;
    if (!area.hidden && document.activeElement !== area) area.value = pretty(schema ?? SCHEMA);
    isSet(value !== undefined);
    if (value === undefined) say((problem = null));
  };
  return { element, sync, problem: () => problem };
}

export function toolsEditor(parameter, change) {
  const area = jsonArea(parameter.label, "[ … ]");
  const example = h("button", { class: "button small", type: "button" }, "Insert an example");
  const { element, say, isSet } = field(parameter, area, { change, body: [area, h("div", { class: "button-row" }, example)] });
  let problem = null;
  const read = () => {
    try {
      const tools = area.value.trim() ? parsed(area.value) : undefined;
      if (tools !== undefined) check(tools);
      say((problem = null));
      change(tools?.length ? tools : undefined);
    } catch (reason) {
      say((problem = reason.message));
    }
  };
  area.addEventListener("input", read);
  example.addEventListener("click", () => {
    area.value = pretty(TOOLS);
    read();
  });
  const sync = (value) => {
    if (document.activeElement !== area && !(problem && value === undefined)) area.value = value === undefined ? "" : pretty(value);
    isSet(value !== undefined);
  };
  return { element, sync, problem: () => problem };
}

function check(tools) {
  if (!Array.isArray(tools)) throw new Error("Tools are a list: [ … ].");
  for (const [at, tool] of tools.entries()) {
    if (tool?.type !== "function" || typeof tool.function?.name !== "string") throw new Error(`Tool ${at + 1} needs "type": "function" and a function with a name.`);
  }
}
