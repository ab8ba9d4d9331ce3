// The official `openai` package, as customers use it in Node.

import assert from "node:assert/strict";
import OpenAI, { APIError, APIUserAbortError, APIConnectionTimeoutError } from "openai";
import { AuthenticationError, BadRequestError, InternalServerError, NotFoundError, RateLimitError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { arrived, check, fetchThatShows, given, now, rejection, report } from "./checks.mjs";

const { base_url: baseURL, model, keys } = given;
const clientOf = (key, options = {}) => new OpenAI({ baseURL, apiKey: keys[key], maxRetries: 0, ...options });
const client = clientOf("rich");
const says = (content) => ({ model, messages: [{ role: "user", content }] });
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather at a place.",
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
  },
};
const Person = z.object({ name: z.string(), born: z.number(), fields: z.array(z.string()) });
const ADA = { name: "Ada Lovelace", born: 1815, fields: ["mathematics"] };

check("models are listed and retrieved", async () => {
  const listed = [];
  for await (const one of client.models.list()) listed.push(one.id);
  assert.ok(listed.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

check("a whole answer", async () => {
  const { data, response } = await client.chat.completions.create(says("Say hello")).withResponse();
  assert.equal(data.object, "chat.completion");
  assert.equal(data.model, model);
  assert.deepEqual(data.choices[0].message, { role: "assistant", content: "Hello there, friend." });
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.deepEqual(
    { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15, prompt_tokens_details: { cached_tokens: 4 } },
    data.usage,
  );
  return { inference: response.headers.get("inference-id") };
});

check("a streamed answer", async () => {
  const { data, response } = await client.chat.completions
    .create({ ...says("Say hello"), stream: true, stream_options: { include_usage: true } })
    .withResponse();
  let text = "";
  let usage;
  for await (const chunk of data) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "Hello there, friend.");
  assert.equal(usage.total_tokens, 15);
  return { inference: response.headers.get("inference-id") };
});

check("a stream that did not ask for usage gets none", async () => {
  for await (const chunk of await client.chat.completions.create({ ...says("Say hello"), stream: true })) {
    assert.equal(chunk.usage, undefined);
    assert.equal(chunk.choices.length, 1);
  }
});

check("the streaming helper", async () => {
  const deltas = [];
  const stream = client.chat.completions.stream({ ...says("Say hello"), stream_options: { include_usage: true } });
  stream.on("content", (delta) => deltas.push(delta));
  assert.equal(await stream.finalContent(), "Hello there, friend.");
  assert.deepEqual(deltas.filter(Boolean), ["Hello ", "there, ", "friend."]);
  assert.equal((await stream.totalUsage()).total_tokens, 15);
  assert.equal((await stream.finalChatCompletion()).choices[0].finish_reason, "stop");
});

async function runTools(stream) {
  const asked = [];
  const runner = client.chat.completions.runTools({
    ...says("Weather in São Paulo"),
    stream,
    tools: [
      {
        type: "function",
        function: {
          ...weather.function,
          parse: JSON.parse,
          function: ({ place }) => {
            asked.push(place);
            return "raining";
          },
        },
      },
    ],
  });
  assert.equal(await runner.finalContent(), "It is raining.");
  assert.deepEqual(asked, ["São Paulo"]);
  assert.deepEqual(runner.messages.map((message) => message.role), ["user", "assistant", "tool", "assistant"]);
}

check("the tool runner", () => runTools(false));

check("the tool runner with streams", () => runTools(true));

check("a tool call is whole in a stream", async () => {
  const stream = client.chat.completions.stream({ ...says("Weather in Oslo"), tools: [weather] });
  const [call] = (await stream.finalMessage()).tool_calls;
  assert.equal(call.function.name, "weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { place: "Oslo" });
  assert.equal((await stream.finalChatCompletion()).choices[0].finish_reason, "tool_calls");
});

check("structured output is parsed", async () => {
  const asked = { ...says("Describe Ada"), response_format: zodResponseFormat(Person, "person") };
  const answer = await client.chat.completions.parse(asked);
  assert.deepEqual(answer.choices[0].message.parsed, ADA);
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  assert.deepEqual(streamed.choices[0].message.parsed, ADA);
});

check("structured output that was cut short is not taken for whole", async () => {
  const asked = { ...says("Describe nobody"), response_format: zodResponseFormat(Person, "person") };
  const error = await rejection(() => client.chat.completions.parse(asked));
  assert.equal(error.constructor.name, "LengthFinishReasonError");
});

check("thinking is in the message and in the deltas", async () => {
  const { message } = (await client.chat.completions.create(says("Think"))).choices[0];
  assert.equal(message.reasoning_content, "Two and two make four.");
  assert.equal(message.reasoning, "Two and two make four.");
  assert.equal(message.content, "Four.");
  let thoughts = "";
  for await (const chunk of await client.chat.completions.create({ ...says("Think"), stream: true })) {
    thoughts += chunk.choices[0].delta.reasoning_content ?? "";
  }
  assert.equal(thoughts, "Two and two make four.");
});

check("text completions, whole and streamed", async () => {
  const whole = await client.completions.create({ model, prompt: "Say hello", max_tokens: 50 });
  assert.equal(whole.object, "text_completion");
  assert.equal(whole.model, model);
  assert.equal(whole.choices[0].text, "Hello there, friend.");
  let text = "";
  for await (const chunk of await client.completions.create({ model, prompt: "Say hello", stream: true })) {
    text += chunk.choices[0].text;
  }
  assert.equal(text, "Hello there, friend.");
  const several = await client.completions.create({ model, prompt: ["Say hello", "Say hello"] });
  assert.deepEqual(several.choices.map((choice) => choice.index), [0, 1]);
});

/** A refused request: its class, status, code and that the client shows our text, which is returned. */
async function refused(kind, status, code, run) {
  const error = await rejection(run);
  assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error?.message}`);
  assert.ok(error instanceof APIError);
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.equal(error.message, `${status} ${error.error.message}`);
  assert.ok(error.headers.get("inference-id"));
  return error;
}

check("400 names the field", async () => {
  const error = await refused(BadRequestError, 400, "invalid_request", () =>
    client.chat.completions.create({ ...says("Say hello"), temperature: 9 }),
  );
  assert.equal(error.param, "temperature");
  assert.match(error.message, /temperature/);
  const missing = await refused(BadRequestError, 400, "missing_required_parameter", () => client.chat.completions.create({ model }));
  assert.equal(missing.param, "messages");
});

check("401 for a wrong key", async () => {
  const error = await refused(AuthenticationError, 401, "invalid_api_key", () =>
    clientOf("wrong").chat.completions.create(says("Say hello")),
  );
  assert.match(error.message, /API key/);
  await refused(AuthenticationError, 401, "invalid_api_key", () => clientOf("wrong").models.list());
});

check("402 without credit", async () => {
  const error = await refused(APIError, 402, "insufficient_credits", () => clientOf("poor").chat.completions.create(says("Say hello")));
  assert.match(error.message, /Add credit/);
});

check("404 for an unknown model", async () => {
  const error = await refused(NotFoundError, 404, "model_not_found", () =>
    client.chat.completions.create({ ...says("Say hello"), model: "nobody/none" }),
  );
  assert.equal(error.param, "model");
  assert.match(error.message, /nobody\/none/);
});

check("429 says when to come back", async () => {
  const limited = clientOf("once_a_minute");
  await limited.chat.completions.create(says("Say hello"));
  const error = await refused(RateLimitError, 429, "rate_limit_exceeded", () => limited.chat.completions.create(says("Say hello")));
  assert.match(error.message, /1 requests? a minute/);
  assert.ok(Number(error.headers.get("retry-after")) >= 1);
  assert.equal(error.headers.get("x-ratelimit-remaining"), "0");
});

check("a refusal of the backend's is shown as it is", async () => {
  const error = await refused(BadRequestError, 400, "backend_refused_request", () => client.chat.completions.create(says("Refuse")));
  assert.match(error.message, /this model takes no tools of that kind/);
});

check("a failing backend is an InternalServerError", () =>
  refused(InternalServerError, 502, "bad_backend_answer", () => client.chat.completions.create(says("Fail"))));

check("a stream that breaks off is an error", async () => {
  let text = "";
  const error = await rejection(async () => {
    for await (const chunk of await client.chat.completions.create({ ...says("Break off"), stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
  });
  assert.equal(text, "Hello there, ");
  assert.ok(error instanceof APIError);
  assert.match(error.message, /backend broke off/);
});

/** Seconds until an answer came that the client had to ask for twice. */
async function secondsWithRetry(asking, content, maxRetries = 1) {
  const started = now();
  const answer = await asking.chat.completions.create(says(content), { maxRetries });
  assert.equal(answer.choices[0].message.content, "Hello there, friend.");
  return now() - started;
}

check("a 502 is retried", async () => {
  await secondsWithRetry(client, "Fail once, for openai.mjs");
});

check("a 503 is retried after the time it names", async () => {
  assert.ok((await secondsWithRetry(client, "Busy once, for openai.mjs")) >= 2);
});

check("a 429 is retried after the time it names", async () => {
  let retryAfter;
  const first = await clientOf("one_at_a_time").chat.completions.create({ ...says("Go on, in the way"), stream: true });
  await first[Symbol.asyncIterator]().next();
  const fetch = fetchThatShows((response) => {
    if (response.status === 429) {
      retryAfter = Number(response.headers.get("retry-after"));
      first.controller.abort();
    }
  });
  const waited = await secondsWithRetry(clientOf("one_at_a_time", { fetch }), "Say hello", 3);
  assert.ok(retryAfter >= 1);
  assert.ok(waited >= retryAfter);
});

check("an aborted stream", async () => {
  const said = "Go on, until it is aborted";
  const stream = await client.chat.completions.create({ ...says(said), stream: true });
  let text = "";
  let left_at;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text === "Hello there, ") {
      left_at = now();
      stream.controller.abort();
    }
  }
  assert.equal(text, "Hello there, ");
  return { said, left_at };
});

check("an aborted request", async () => {
  const said = "Say nothing, until it is aborted";
  const controller = new AbortController();
  const asking = rejection(() => client.chat.completions.create(says(said), { signal: controller.signal }));
  await arrived(said);
  const left_at = now();
  controller.abort();
  assert.ok((await asking) instanceof APIUserAbortError);
  return { said, left_at };
});

check("leaving the loop over a stream", async () => {
  for await (const chunk of await client.chat.completions.create({ ...says("Go on, until the loop is left"), stream: true })) {
    if (chunk.choices[0].delta.content) break;
  }
  return { said: "Go on, until the loop is left", left_at: now() };
});

check("a request that times out", async () => {
  const error = await rejection(() => client.chat.completions.create(says("Say nothing, until time is out"), { timeout: 2_000 }));
  assert.ok(error instanceof APIConnectionTimeoutError);
  return { said: "Say nothing, until time is out", left_at: now() };
});

await report();
