// Named checks of one client: registered by `check`, run all at once by `report`, which prints one line of JSON.
//
//     check("a whole answer", async () => { …; return { whatever: "the Python test wants to look at" }; });
//     await report();
//
// Names are written as plain "…" at the start of a line: the Python side reads them from the source.

import { readFileSync } from "node:fs";

const LONGEST_MS = 30_000;
const registered = new Map();

/** What the Python side gave: base_url, model, keys, watch_url. */
export const given = JSON.parse(readFileSync(0, "utf8"));

/** Seconds of the machine's monotonic clock, as Python's time.monotonic(). */
export const now = () => Number(process.hrtime.bigint()) / 1e9;

export function check(name, run) {
  registered.set(name, run);
}

/** Resolves when a request with this last user message has reached the backend. */
export async function arrived(said) {
  const response = await fetch(`${given.watch_url}/arrived?${new URLSearchParams({ said })}`);
  if (response.status !== 204) throw new Error(`${said}: ${response.statusText}`);
}

/** A fetch for clients that calls `seen` with each answer first. */
export const fetchThatShows = (seen) => async (...request) => {
  const response = await fetch(...request);
  seen(response);
  return response;
};

/** The error that `run` rejects with; throws when it does not. */
export async function rejection(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("it went through, and should have been refused");
}

export async function report() {
  const results = await Promise.all([...registered].map(async ([name, run]) => [name, await outcome(run)]));
  process.stdout.write(`\n${JSON.stringify(Object.fromEntries(results))}\n`);
}

async function outcome(run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LONGEST_MS} ms`)), LONGEST_MS);
  });
  try {
    return { facts: (await Promise.race([run(), late])) ?? null };
  } catch (error) {
    return { error: error?.stack ?? String(error) };
  } finally {
    clearTimeout(timer);
  }
}
