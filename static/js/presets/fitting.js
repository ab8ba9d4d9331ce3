// Whether what a preset says is what its model takes.
import { outside } from "../playground/controls.js";

// In words what is wrong with a value, null where nothing is. `parameter` is as /playground/models has it.
export function misfitOf(value, parameter) {
  const { kind, choices, maximum, label } = parameter;
  if (kind === "number" || kind === "integer") return outside(value, parameter);
  if (kind === "strings") return isTexts(value) && [value].flat().length <= (maximum ?? 4) ? null : `${label} must be at most ${maximum ?? 4} texts.`;
  if (kind !== "choice" && kind !== "schema") return null;
  return choices.includes(kind === "schema" ? value?.type : value) ? null : `${label} must be ${choices.join(", ")}.`;
}

export const isTexts = (value) => [value].flat().every((one) => typeof one === "string");

// [name, words] of each parameter that the model does not take, or not with this value. What no model has a control for is left alone.
export function misfits(values, model, models) {
  const known = new Map(models.list.flatMap(({ parameters }) => parameters).map((parameter) => [parameter.name, parameter]));
  const taken = new Map(model.parameters.map((parameter) => [parameter.name, parameter]));
  return Object.entries(values)
    .filter(([name]) => known.has(name))
    .map(([name, value]) => [name, taken.has(name) ? misfitOf(value, taken.get(name)) : `${known.get(name).label} is not taken by this model.`])
    .filter(([, words]) => words);
}
