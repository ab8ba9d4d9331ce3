// Figures as people read them, in the words of apps/core/figures.py. Money is nano-USD, durations are milliseconds.
const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const THIN = "\u00a0";
const FLOOR = { roundingMode: "floor", useGrouping: true };

function money(nano, short) {
  const dollars = nano / 1e9;
  if (dollars === 0) return short ? "$0" : "$0.00";
  if (short && dollars >= 10_000) return `$${tokens(dollars)}`;
  const whole = dollars >= 1;
  const least = short && whole && Number.isInteger(dollars) ? 0 : 2;
  const most = whole ? least : Math.max(short ? 2 : 6, 1 - Math.floor(Math.log10(dollars)));
  return `$${dollars.toLocaleString("en", { ...FLOOR, minimumFractionDigits: least, maximumFractionDigits: Math.min(9, most) })}`;
}

function tokens(number) {
  if (Math.abs(number) < 10_000) return number.toLocaleString("en", { ...FLOOR, maximumFractionDigits: 2 });
  const [size, unit] = UNITS.find(([least]) => Math.abs(number) >= least);
  return `${(number / size).toLocaleString("en", { ...FLOOR, maximumSignificantDigits: 3 })}${THIN}${unit}`;
}

function seconds(milliseconds, short) {
  if (milliseconds < 10_000) return `${Number((milliseconds / 1000).toFixed(2))}${THIN}s`;
  if (milliseconds < 60_000) return `${Number((milliseconds / 1000).toFixed(1))}${THIN}s`;
  if (short) return `${Number((milliseconds / 60_000).toFixed(1))}${THIN}min`;
  return `${Math.floor(milliseconds / 60_000)}${THIN}min ${Math.floor((milliseconds % 60_000) / 1000)}${THIN}s`;
}

// `short` is for axes.
export function format(value, unit, short = false) {
  if (unit === "usd") return money(value, short);
  if (unit === "seconds") return seconds(value, short);
  if (unit === "tokens") return tokens(value);
  return short ? tokens(value) : value.toLocaleString("en");
}
