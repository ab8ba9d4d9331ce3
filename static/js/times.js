// Keeps <time data-relative> true while the page stays open; apps/core/figures.py writes the first text in the same words.
const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [31 * 86_400, 86_400, "day"],
];

export function relative(moment, now) {
  const seconds = Math.trunc((now - moment) / 1000);
  const [span, past] = [Math.abs(seconds), seconds > 0];
  if (span < 1) return "now";
  for (const [bound, size, unit] of STEPS) {
    const number = past ? Math.floor(span / size) : Math.floor((span + Math.floor(size / 2)) / size);
    if (number * size >= bound) continue;
    const text = `${number}\u00a0${unit}${unit === "day" && number !== 1 ? "s" : ""}`;
    return past ? `${text} ago` : `in ${text}`;
  }
  return null; // a date, which does not change
}

function update() {
  if (document.hidden) return;
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(time.dateTime), now);
    if (text && text !== time.textContent) time.textContent = text;
  }
}

setInterval(update, 1000);
document.addEventListener("visibilitychange", update);
