// Anthropic's SDK and the AI SDK's provider for Anthropic, with a real engine (llama.cpp) behind the gateway. What it says has no meaning.

import assert from "node:assert/strict";
import Anthropic, { BadRequestError } from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, streamText } from "ai";

import { check, given, rejection, report } from "./checks.mjs";

const { base_url: baseURL, model, keys } = given;
const client = new Anthropic({ baseURL, apiKey: keys.rich, maxRetries: 0 });
const asked = { model, max_tokens: 20, temperature: 0, messages: [{ role: "user", content: "is this the price of a token" }] };
const aiModel = createAnthropic({ baseURL: `${baseURL}/v1`, apiKey: keys.rich })(model);

check("a stream says the same as a whole answer", async () => {
  const whole = await client.messages.create(asked);
  const streamed = await client.messages.stream(asked).finalMessage();
  assert.ok(whole.content[0].text);
  assert.equal(streamed.content[0].text, whole.content[0].text);
  assert.deepEqual([streamed.stop_reason, streamed.usage.output_tokens], ["max_tokens", 20]);
  assert.deepEqual([whole.stop_reason, whole.usage.output_tokens], ["max_tokens", 20]);
  const total = ({ input_tokens, cache_read_input_tokens }) => input_tokens + cache_read_input_tokens;
  assert.equal(total(streamed.usage), total(whole.usage));
});

check("tokens are counted as they are charged", async () => {
  const { usage } = await client.messages.create({ ...asked, system: "the model" });
  const { input_tokens } = await client.messages.countTokens({ model, messages: asked.messages, system: "the model" });
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});

check("a schema is kept to", async () => {
  const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false };
  const format = { type: "json_schema", schema };
  const message = await client.messages.create({ ...asked, max_tokens: 300, output_config: { format } });
  assert.equal(typeof JSON.parse(message.content[0].text).ok, "boolean");
});

check("a prompt beyond the context is a 400", async () => {
  const error = await rejection(() => client.messages.create({ ...asked, messages: [{ role: "user", content: "the ".repeat(3000) }] }));
  assert.ok(error instanceof BadRequestError, String(error));
  assert.match(error.message, /context size/);
});

check("the AI SDK, whole and streamed", async () => {
  const options = { model: aiModel, maxRetries: 0, maxOutputTokens: 20, temperature: 0, prompt: asked.messages[0].content };
  const whole = await generateText(options);
  const streamed = streamText(options);
  assert.ok(whole.text);
  assert.equal(await streamed.text, whole.text);
  assert.deepEqual([whole.finishReason, await streamed.finishReason], ["length", "length"]);
  assert.equal((await streamed.usage).outputTokens, 20);
});

await report();
