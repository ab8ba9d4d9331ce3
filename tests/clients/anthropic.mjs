// The official `@anthropic-ai/sdk` package, as customers use it in Node.

import assert from "node:assert/strict";
import Anthropic, { APIError, APIUserAbortError } from "@anthropic-ai/sdk";
import { AuthenticationError, BadRequestError, InternalServerError, NotFoundError, RateLimitError } from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

import { arrived, check, fetchThatShows, given, now, rejection, report } from "./checks.mjs";

const { base_url: baseURL, model, keys } = given;
const clientOf = (key, options = {}) => new Anthropic({ baseURL, apiKey: keys[key], maxRetries: 0, ...options });
const client = clientOf("rich");
const says = (content) => ({ model, max_tokens: 500, messages: [{ role: "user", content }] });
const Person = z.object({ name: z.string(), born: z.number(), fields: z.array(z.string()) });
const ADA = { name: "Ada Lovelace", born: 1815, fields: ["mathematics"] };
const HELLO = "Hello there, friend.";
const USAGE = { input_tokens: 8, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 3 };
const textOf = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

check("models are listed page by page and retrieved", async () => {
  const listed = [];
  for await (const one of client.models.list({ limit: 1 })) listed.push(one.id);
  assert.ok(listed.includes(model));
  assert.equal(new Set(listed).size, listed.length);
  for (const id of [model, model.replace("/", "--")]) {
    const one = await client.models.retrieve(id);
    assert.deepEqual([one.type, one.id], ["model", model]);
  }
});

check("a whole answer", async () => {
  const { data, response, request_id } = await client.messages.create(says("Say hello")).withResponse();
  assert.deepEqual([data.type, data.role, data.model, data.stop_reason], ["message", "assistant", model, "end_turn"]);
  assert.deepEqual(data.content, [{ type: "text", text: HELLO }]);
  assert.deepEqual(data.usage, USAGE);
  assert.equal(request_id, response.headers.get("inference-id"));
  return { inference: request_id };
});

check("a streamed answer", async () => {
  const { data, response } = await client.messages.create({ ...says("Say hello"), stream: true }).withResponse();
  const kinds = [];
  let text = "";
  for await (const event of data) {
    kinds.push(event.type);
    if (event.type === "content_block_delta") text += event.delta.text;
  }
  assert.equal(text, HELLO);
  assert.deepEqual(kinds.slice(0, 2), ["message_start", "content_block_start"]);
  assert.deepEqual(kinds.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
  return { inference: response.headers.get("inference-id") };
});

check("the streaming helper", async () => {
  const deltas = [];
  const stream = client.messages.stream(says("Say hello")).on("text", (delta) => deltas.push(delta));
  const message = await stream.finalMessage();
  assert.deepEqual(deltas, ["Hello ", "there, ", "friend."]);
  assert.equal(await stream.finalText(), HELLO);
  assert.deepEqual(message.usage, USAGE);
  assert.equal(message.stop_reason, "end_turn");
});

check("a key as a bearer token", async () => {
  const bearing = new Anthropic({ baseURL, apiKey: null, authToken: keys.rich, maxRetries: 0 });
  assert.equal(textOf(await bearing.messages.create(says("Say hello"))), HELLO);
});

check("a model's name without a slash, and the beta endpoint", async () => {
  const message = await client.beta.messages.create({ ...says("Say hello"), model: model.replace("/", "--"), betas: ["x-2026-01-01"] });
  assert.deepEqual([message.model, textOf(message)], [model, HELLO]);
});

check("thinking, whole and streamed", async () => {
  const asked = { ...says("Think"), thinking: { type: "enabled", budget_tokens: 1024 } };
  const whole = await client.messages.create(asked);
  assert.deepEqual(whole.content.map((block) => block.type), ["thinking", "text"]);
  assert.equal(whole.content[0].thinking, "Two and two make four.");
  assert.equal(whole.usage.output_tokens_details.thinking_tokens, 5);
  const thoughts = [];
  let signature;
  const stream = client.messages.stream(asked).on("thinking", (delta) => thoughts.push(delta)).on("signature", (one) => (signature = one));
  const streamed = await stream.finalMessage();
  assert.equal(thoughts.join(""), "Two and two make four.");
  assert.ok(signature);
  assert.deepEqual(streamed.content, whole.content);
});

check("an answer can be sent back with its thinking", async () => {
  const first = await client.messages.create(says("Think"));
  const said = "Say hello, after thinking, in Node";
  const messages = [{ role: "user", content: "Think" }, { role: "assistant", content: first.content }, { role: "user", content: said }];
  assert.equal(textOf(await client.messages.create({ ...says(said), messages })), HELLO);
});

const weather = {
  name: "weather",
  description: "The weather at a place.",
  input_schema: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};

check("a tool call of a stream", async () => {
  const pieces = [];
  const stream = client.messages.stream({ ...says("Weather in Zürich"), tools: [weather] });
  stream.on("inputJson", (delta) => pieces.push(delta));
  const message = await stream.finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  const [call] = message.content;
  assert.deepEqual([call.type, call.name, call.input], ["tool_use", "weather", { place: "Zürich" }]);
  assert.ok(pieces.length > 1);
  const result = { type: "tool_result", tool_use_id: call.id, content: [{ type: "text", text: "windy" }] };
  const messages = [...says("Weather in Zürich").messages, { role: "assistant", content: message.content }, { role: "user", content: [result] }];
  assert.equal(textOf(await client.messages.create({ ...says(""), messages, tools: [weather] })), "It is windy.");
});

function toolRunner(asked, options = {}, through = client) {
  const run = async ({ place }) => {
    asked.push(place);
    return "raining";
  };
  const tool = betaZodTool({ name: "weather", description: "The weather.", inputSchema: z.object({ place: z.string() }), run });
  return through.beta.messages.toolRunner({ ...says("Weather in São Paulo"), tools: [tool], ...options });
}

check("the tool runner", async () => {
  const asked = [];
  const final = await toolRunner(asked);
  assert.deepEqual(asked, ["São Paulo"]);
  assert.deepEqual([textOf(final), final.stop_reason], ["It is raining.", "end_turn"]);
});

check("the tool runner without threads", async () => {
  const asked = [];
  assert.equal(textOf(await toolRunner(asked, { thread: false })), "It is raining.");
  assert.deepEqual(asked, ["São Paulo"]);
});

check("the tool runner, streamed", async () => {
  const asked = [];
  const texts = [];
  for await (const stream of toolRunner(asked, { stream: true })) {
    for await (const event of stream) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") texts.push(event.delta.text);
    }
  }
  assert.deepEqual(asked, ["São Paulo"]);
  assert.equal(texts.join(""), "It is raining.");
});

check("the tool runner goes on without the threads it asked for", async () => {
  const statuses = [];
  const through = clientOf("rich", { fetch: fetchThatShows((response) => statuses.push(response.status)) });
  const asked = [];
  const final = await toolRunner(asked, {}, through);
  assert.deepEqual([asked, textOf(final)], [["São Paulo"], "It is raining."]);
  assert.deepEqual(statuses, [400, 200, 200]);
});

check("a structured output", async () => {
  const message = await client.messages.parse({ ...says("Describe Ada, parsed in Node"), output_config: { format: zodOutputFormat(Person) } });
  assert.deepEqual(message.parsed_output, ADA);
});

check("tokens are counted", async () => {
  const { input_tokens } = await client.messages.countTokens({ model, messages: [{ role: "user", content: "one two three" }], system: "four" });
  assert.equal(input_tokens, 4);
});

/** A refused call: the client's error with our text and our request id. */
async function refused(Kind, status, type, text, request = says("Say hello"), through = client) {
  const error = await rejection(() => through.messages.create(request));
  assert.ok(error instanceof Kind, String(error));
  assert.deepEqual([error.status, error.type], [status, type]);
  assert.match(error.message, text);
  assert.equal(error.requestID, error.error.request_id);
  return error;
}

check("400 names the field", () =>
  refused(BadRequestError, 400, "invalid_request_error", /temperature: /, { ...says("Say hello"), temperature: 9 }));

check("400 for a tool of Anthropic's own", () =>
  refused(BadRequestError, 400, "invalid_request_error", /tools\[0\]\.type: 'web_search_20250305'/, {
    ...says("Say hello"),
    tools: [{ type: "web_search_20250305", name: "web_search" }],
  }));

check("401 for a wrong key", () => refused(AuthenticationError, 401, "authentication_error", /API key/, undefined, clientOf("wrong")));

check("402 without credit", () => refused(APIError, 402, "billing_error", /Add credit/, undefined, clientOf("poor")));

check("404 for an unknown model", () =>
  refused(NotFoundError, 404, "not_found_error", /nobody--none/, { ...says("Say hello"), model: "nobody--none" }));

check("429 says when to come back", async () => {
  const limited = clientOf("once_a_minute");
  await limited.messages.create(says("Say hello"));
  const error = await refused(RateLimitError, 429, "rate_limit_error", /1 requests? a minute/, undefined, limited);
  assert.ok(Number(error.headers.get("retry-after")) >= 1);
});

check("a refusal of the backend's is shown as it is", () =>
  refused(BadRequestError, 400, "invalid_request_error", /this model takes no tools of that kind/, says("Refuse")));

check("a backend that fails is our error", () => refused(InternalServerError, 502, "api_error", /backend failed to answer/, says("Fail")));

check("a stream that breaks off is an error, after what came", async () => {
  let text = "";
  const stream = client.messages.stream(says("Break off")).on("text", (delta) => (text += delta));
  const error = await rejection(() => stream.finalMessage());
  assert.ok(error instanceof APIError, String(error));
  assert.match(error.message, /backend broke off/);
  assert.equal(text, "Hello there, ");
});

check("a 503 is retried", async () => {
  const message = await clientOf("rich", { maxRetries: 1 }).messages.create(says("Busy once, for anthropic.mjs"));
  assert.equal(textOf(message), HELLO);
});

check("a 429 is retried after the time it names", async () => {
  const first = client_one.messages.stream(says("Go on, in the way of Anthropic's SDK"));
  await new Promise((resolve) => first.once("text", resolve));
  first.on("error", () => {});
  first.on("abort", () => {});
  let retryAfter;
  const fetch = fetchThatShows((response) => {
    if (response.status === 429) {
      retryAfter = Number(response.headers.get("retry-after"));
      first.abort();
    }
  });
  const started = now();
  const second = await clientOf("one_at_a_time", { fetch, maxRetries: 3 }).messages.create(says("Say hello"));
  assert.equal(textOf(second), HELLO);
  assert.ok(retryAfter >= 1);
  assert.ok(now() - started >= retryAfter);
});
const client_one = clientOf("one_at_a_time");

check("an aborted stream", async () => {
  const said = "Go on, until Anthropic's SDK aborts";
  const stream = client.messages.stream(says(said));
  let left_at;
  let text = "";
  stream.on("text", (delta) => {
    text += delta;
    if (text === "Hello there, ") {
      left_at = now();
      stream.abort();
    }
  });
  assert.ok((await rejection(() => stream.done())) instanceof APIUserAbortError);
  return { said, left_at };
});

check("leaving the loop over a stream", async () => {
  const said = "Go on, until the loop over Anthropic's events is left";
  let text = "";
  for await (const event of await client.messages.create({ ...says(said), stream: true })) {
    if (event.type === "content_block_delta") text += event.delta.text;
    if (text === "Hello there, ") break;
  }
  return { said, left_at: now() };
});

check("an aborted request", async () => {
  const said = "Say nothing, until Anthropic's SDK aborts";
  const controller = new AbortController();
  const asking = rejection(() => client.messages.create(says(said), { signal: controller.signal }));
  await arrived(said);
  const left_at = now();
  controller.abort();
  assert.ok((await asking) instanceof APIUserAbortError);
  return { said, left_at };
});

await report();
