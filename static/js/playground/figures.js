// Figures of the Playground in words. Costs are nano-USD as decimal strings, durations are milliseconds.
import { format } from "../figures.js";

const SEPARATOR = " · ";

export const money = (nano) => format(Number(nano), "usd");
export const count = (number, one, many = `${one}s`) => `${format(number, "tokens")} ${number === 1 ? one : many}`;

// ["412 tokens", "$0.00021", "0.31 s to first token", "87 tok/s"]; what is not known is left out.
export function statsOf({ usage, cost, first_token_ms: first, total_ms: total }) {
  const parts = [];
  const written = usage?.completion_tokens;
  if (written !== undefined && written !== null) parts.push(count(written, "token"));
  if (cost !== undefined && cost !== null) parts.push(money(cost));
  if (first !== undefined && first !== null) parts.push(`${format(first, "seconds")} to first token`);
  if (written > 1 && total > first) parts.push(`${Math.round((written - 1) / ((total - first) / 1000)).toLocaleString("en")} tok/s`);
  return parts;
}

export const totalsOf = ({ cost, tokens }) => (tokens ? [count(tokens, "token"), money(cost)].join(SEPARATOR) : "");
