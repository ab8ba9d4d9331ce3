// Vercel's AI SDK with its provider for OpenAI-compatible APIs.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, NoObjectGeneratedError, RetryError, generateObject, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

import { arrived, check, fetchThatShows, given, now, rejection, report } from "./checks.mjs";

const { base_url: baseURL, model, keys } = given;
const providerOf = (key, options = {}) =>
  createOpenAICompatible({ name: "akashml", baseURL, apiKey: keys[key], includeUsage: true, supportsStructuredOutputs: true, ...options });
const modelOf = (key, name = model) => providerOf(key)(name);
const rich = { model: modelOf("rich"), maxRetries: 0 };
const schema = z.object({ name: z.string(), born: z.number(), fields: z.array(z.string()) });
const ADA = { name: "Ada Lovelace", born: 1815, fields: ["mathematics"] };

function assertUsage(usage) {
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [12, 3, 15]);
  assert.equal(usage.inputTokenDetails.cacheReadTokens, 4);
}

/** The parts of a stream; an error part is among them. */
async function partsOf(result) {
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  return parts;
}

const quietly = { onError: () => {} }; // streamText prints errors otherwise

check("generateText", async () => {
  const result = await generateText({ ...rich, prompt: "Say hello" });
  assert.equal(result.text, "Hello there, friend.");
  assert.equal(result.finishReason, "stop");
  assert.equal(result.response.modelId, model);
  assertUsage(result.usage);
  return { inference: result.response.headers["inference-id"] };
});

check("streamText", async () => {
  const result = streamText({ ...rich, prompt: "Say hello" });
  const texts = [];
  for await (const text of result.textStream) texts.push(text);
  assert.deepEqual(texts, ["Hello ", "there, ", "friend."]);
  assert.equal(await result.finishReason, "stop");
  assertUsage(await result.usage);
  return { inference: (await result.response).headers["inference-id"] };
});

check("a completion model, whole and streamed", async () => {
  const completing = { ...rich, model: providerOf("rich").completionModel(model), prompt: "Say hello" };
  assert.equal((await generateText(completing)).text, "Hello there, friend.");
  const result = streamText(completing);
  assert.equal(await result.text, "Hello there, friend.");
  assert.equal((await result.usage).totalTokens, 15);
});

const toolLoop = (asked) => ({
  ...rich,
  prompt: "Weather in São Paulo",
  stopWhen: isStepCount(3),
  tools: {
    weather: tool({
      description: "The weather at a place.",
      inputSchema: z.object({ place: z.string() }),
      execute: async ({ place }) => {
        asked.push(place);
        return "raining";
      },
    }),
  },
});

check("a tool loop", async () => {
  const asked = [];
  const result = await generateText(toolLoop(asked));
  assert.deepEqual(asked, ["São Paulo"]);
  assert.equal(result.text, "It is raining.");
  assert.deepEqual(result.steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
});

check("a tool loop of streams", async () => {
  const asked = [];
  const result = streamText(toolLoop(asked));
  assert.equal(await result.text, "It is raining.");
  assert.deepEqual(asked, ["São Paulo"]);
  assert.deepEqual((await result.steps).map((step) => step.finishReason), ["tool-calls", "stop"]);
});

check("generateObject", async () => {
  assert.deepEqual((await generateObject({ ...rich, schema, prompt: "Describe Ada, by generateObject" })).object, ADA);
});

check("a structured output", async () => {
  const { output } = await generateText({ ...rich, output: Output.object({ schema }), prompt: "Describe Ada" });
  assert.deepEqual(output, ADA);
});

check("a structured output that grows", async () => {
  const result = streamText({ ...rich, output: Output.object({ schema }), prompt: "Describe Ada" });
  const partial = [];
  for await (const object of result.partialOutputStream) partial.push(object);
  assert.ok(partial.length > 1);
  assert.deepEqual(await result.output, ADA);
});

check("a structured output that was cut short is not taken for whole", async () => {
  const error = await rejection(() => generateObject({ ...rich, schema, prompt: "Describe nobody" }));
  assert.ok(NoObjectGeneratedError.isInstance(error));
  assert.equal(error.finishReason, "length");
});

check("thinking", async () => {
  const result = await generateText({ ...rich, prompt: "Think" });
  assert.equal(result.reasoningText, "Two and two make four.");
  assert.equal(result.text, "Four.");
  assert.equal(result.usage.outputTokenDetails.reasoningTokens, 5);
});

check("thinking in a stream", async () => {
  const result = streamText({ ...rich, prompt: "Think" });
  const kinds = (await partsOf(result)).map((part) => part.type).filter((type) => type.endsWith("-delta"));
  assert.deepEqual([...new Set(kinds)], ["reasoning-delta", "text-delta"]);
  assert.equal(await result.reasoningText, "Two and two make four.");
  assert.equal(await result.text, "Four.");
});

/** A refused call: the client's error with our text. */
async function refused(status, text, options, code) {
  const error = await rejection(() => generateText({ ...rich, prompt: "Say hello", ...options }));
  assert.ok(APICallError.isInstance(error), String(error));
  assert.equal(error.statusCode, status);
  assert.match(error.message, text);
  assert.equal(error.data.error.code, code);
  assert.equal(error.data.error.message, error.message);
  return error;
}

check("400 names the field", () => refused(400, /^temperature: /, { temperature: 9 }, "invalid_request"));

check("401 for a wrong key", () => refused(401, /API key/, { model: modelOf("wrong") }, "invalid_api_key"));

check("402 without credit", async () => {
  const error = await refused(402, /Add credit/, { model: modelOf("poor") }, "insufficient_credits");
  assert.equal(error.isRetryable, false);
});

check("404 for an unknown model", () => refused(404, /nobody\/none/, { model: modelOf("rich", "nobody/none") }, "model_not_found"));

check("429 says when to come back", async () => {
  const limited = { model: modelOf("once_a_minute") };
  await generateText({ ...rich, ...limited, prompt: "Say hello" });
  const error = await refused(429, /1 requests? a minute/, limited, "rate_limit_exceeded");
  assert.ok(Number(error.responseHeaders["retry-after"]) >= 1);
  assert.equal(error.isRetryable, true);
});

check("a refusal of the backend's is shown as it is", () =>
  refused(400, /^this model takes no tools of that kind$/, { prompt: "Refuse" }, "backend_refused_request"));

check("an error before a stream is its error part", async () => {
  const [error] = (await partsOf(streamText({ ...rich, ...quietly, prompt: "Fail" }))).filter((part) => part.type === "error");
  assert.equal(error.error.statusCode, 502);
  assert.equal(error.error.message, "The model's backend failed to answer.");
});

check("a stream that breaks off has an error part and no stop", async () => {
  const parts = await partsOf(streamText({ ...rich, ...quietly, prompt: "Break off" }));
  assert.equal(parts.filter((part) => part.type === "text-delta").map((part) => part.text).join(""), "Hello there, ");
  const [error] = parts.filter((part) => part.type === "error");
  assert.match(String(error.error?.message ?? error.error), /backend broke off/);
  assert.ok(!parts.some((part) => part.finishReason === "stop"));
});

check("a 503 is retried", async () => {
  assert.equal((await generateText({ ...rich, prompt: "Busy once, for ai-sdk.mjs", maxRetries: 1 })).text, "Hello there, friend.");
});

check("a 429 is retried after the time it names", async () => {
  const controller = new AbortController();
  const limited = { ...rich, model: modelOf("one_at_a_time") };
  const first = streamText({ ...limited, prompt: "Go on, in the way of the AI SDK", abortSignal: controller.signal });
  await first.textStream[Symbol.asyncIterator]().next();
  let retryAfter;
  const fetch = fetchThatShows((response) => {
    if (response.status === 429) {
      retryAfter = Number(response.headers.get("retry-after"));
      controller.abort();
    }
  });
  const started = now();
  const second = await generateText({ model: providerOf("one_at_a_time", { fetch })(model), prompt: "Say hello", maxRetries: 3 });
  assert.equal(second.text, "Hello there, friend.");
  assert.ok(retryAfter >= 1);
  assert.ok(now() - started >= retryAfter);
});

check("a backend that goes on failing is a RetryError with our text", async () => {
  const error = await rejection(() => generateText({ ...rich, prompt: "Fail", maxRetries: 1 }));
  assert.ok(RetryError.isInstance(error));
  assert.match(error.message, /The model's backend failed to answer\./);
});

check("an aborted stream", async () => {
  const controller = new AbortController();
  const said = "Go on, until the AI SDK aborts";
  let left_at;
  let text = "";
  const result = streamText({ ...rich, prompt: said, abortSignal: controller.signal });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
    if (text === "Hello there, " && left_at === undefined) {
      left_at = now();
      controller.abort();
    }
  }
  return { said, left_at };
});

check("an aborted request", async () => {
  const said = "Say nothing, until the AI SDK aborts";
  const controller = new AbortController();
  const asking = rejection(() => generateText({ ...rich, prompt: said, abortSignal: controller.signal }));
  await arrived(said);
  const left_at = now();
  controller.abort();
  assert.equal((await asking).name, "AbortError");
  return { said, left_at };
});

await report();
