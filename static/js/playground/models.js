// The catalogue as the Playground sees it. Prices are decimal strings, USD per token; they are shown per million.
export class Models {
  constructor(list) {
    this.list = list;
    this.byId = new Map(list.map((model) => [model.id, model]));
  }

  get(id) {
    return this.byId.get(id) ?? null;
  }

  // The parameters of a pane that its model takes: what another model took stays with the pane, unsent.
  parametersOf(pane) {
    const taken = new Set((this.get(pane.model)?.parameters ?? []).map(({ name }) => name));
    return Object.fromEntries(Object.entries(pane.parameters).filter(([name]) => taken.has(name)));
  }

  sees(id) {
    return this.get(id)?.capabilities.includes("vision") ?? false;
  }
}

export function priceTag({ prices }) {
  return `${dollars(prices.input)} in · ${dollars(prices.output)} out`;
}

// USD per token, a decimal string, as USD per million: every digit, and at least two behind the point.
export function dollars(price) {
  const [whole, decimals = ""] = price.split(".");
  const shifted = decimals.padEnd(6, "0");
  const cents = shifted.slice(6).replace(/0+$/, "").padEnd(2, "0");
  return `$${Number(whole + shifted.slice(0, 6)).toLocaleString("en")}.${cents}`;
}

export function nameParts(id) {
  const slash = id.lastIndexOf("/");
  return [id.slice(0, slash + 1), id.slice(slash + 1)];
}
