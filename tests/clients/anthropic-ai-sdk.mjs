// Vercel's AI SDK with its provider for Anthropic's API.

import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { APICallError, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

import { check, given, now, rejection, report } from "./checks.mjs";

const { base_url: baseURL, model, keys } = given;
const modelOf = (key, name = model) => createAnthropic({ baseURL: `${baseURL}/v1`, apiKey: keys[key] })(name);
const rich = { model: modelOf("rich"), maxRetries: 0, maxOutputTokens: 500 };
const schema = z.object({ name: z.string(), born: z.number(), fields: z.array(z.string()) });
const ADA = { name: "Ada Lovelace", born: 1815, fields: ["mathematics"] };
const quietly = { onError: () => {} }; // streamText prints errors otherwise

async function partsOf(result) {
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  return parts;
}

function assertUsage(usage) {
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.inputTokenDetails.cacheReadTokens], [12, 3, 4]);
}

check("generateText", async () => {
  const result = await generateText({ ...rich, prompt: "Say hello" });
  assert.equal(result.text, "Hello there, friend.");
  assert.equal(result.finishReason, "stop");
  assertUsage(result.usage);
  return { inference: result.response.headers["request-id"] };
});

check("streamText", async () => {
  const result = streamText({ ...rich, prompt: "Say hello" });
  const texts = [];
  for await (const text of result.textStream) texts.push(text);
  assert.deepEqual(texts, ["Hello ", "there, ", "friend."]);
  assert.equal(await result.finishReason, "stop");
  assertUsage(await result.usage);
  return { inference: (await result.response).headers["request-id"] };
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

check("thinking, and sent back", async () => {
  const thinking = { providerOptions: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } } };
  const result = await generateText({ ...rich, ...thinking, prompt: "Think" });
  assert.equal(result.reasoningText, "Two and two make four.");
  assert.equal(result.text, "Four.");
  const messages = [{ role: "user", content: "Think" }, ...result.response.messages, { role: "user", content: "Say hello, after thinking" }];
  assert.equal((await generateText({ ...rich, ...thinking, messages })).text, "Hello there, friend.");
});

check("thinking in a stream", async () => {
  const result = streamText({ ...rich, prompt: "Think" });
  const kinds = (await partsOf(result)).map((part) => part.type).filter((type) => type.endsWith("-delta"));
  assert.deepEqual([...new Set(kinds)], ["reasoning-delta", "text-delta"]);
  assert.equal(await result.reasoningText, "Two and two make four.");
  assert.equal(await result.text, "Four.");
});

check("a structured output", async () => {
  const { output } = await generateText({ ...rich, output: Output.object({ schema }), prompt: "Describe Ada, by Anthropic's provider" });
  assert.deepEqual(output, ADA);
});

/** A refused call: the client's error with our text. */
async function refused(status, type, text, options) {
  const error = await rejection(() => generateText({ ...rich, prompt: "Say hello", ...options }));
  assert.ok(APICallError.isInstance(error), String(error));
  assert.equal(error.statusCode, status);
  assert.match(error.message, text);
  assert.equal(error.data.error.type, type);
  return error;
}

check("401 for a wrong key", () => refused(401, "authentication_error", /API key/, { model: modelOf("wrong") }));

check("402 without credit", () => refused(402, "billing_error", /Add credit/, { model: modelOf("poor") }));

check("404 for an unknown model", () => refused(404, "not_found_error", /nobody--none/, { model: modelOf("rich", "nobody--none") }));

check("an error before a stream is its error part", async () => {
  const [error] = (await partsOf(streamText({ ...rich, ...quietly, prompt: "Fail" }))).filter((part) => part.type === "error");
  assert.equal(error.error.statusCode, 502);
});

check("a stream that breaks off has an error part and no stop", async () => {
  const parts = await partsOf(streamText({ ...rich, ...quietly, prompt: "Break off" }));
  assert.equal(parts.filter((part) => part.type === "text-delta").map((part) => part.text).join(""), "Hello there, ");
  assert.ok(parts.some((part) => part.type === "error"));
  assert.ok(!parts.some((part) => part.finishReason === "stop"));
});

check("an aborted stream", async () => {
  const controller = new AbortController();
  const said = "Go on, until the AI SDK aborts Anthropic's stream";
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

await report();
