// The request of a pane as code: what the API would be sent for the same answer. Keys are read from the environment, never shown.
import { imagesOf, textOf } from "./store.js";

const ANTHROPIC_MAX_TOKENS = 4096; // its dialect wants a bound

// The body of POST /v1/chat/completions, as the server builds it. `draft` is what stands in the composer, if anything.
export function bodyOf({ model, system_prompt: prompt, parameters }, chain, draft) {
  const messages = prompt ? [{ role: "system", content: prompt }] : [];
  for (const message of chain) {
    if (message.role === "assistant") addAnswer(messages, message);
    else messages.push({ role: message.role, content: message.content, ...(message.tool_call_id ? { tool_call_id: message.tool_call_id } : {}) });
  }
  if (draft) messages.push({ role: "user", content: draft });
  return { model, messages, ...parameters, stream: true };
}

// An answer that went on with the one before is one with it; calls of tools count only where they are whole.
function addAnswer(messages, { content, tool_calls: all, status }) {
  const calls = status === "completed" && all?.length ? all : null;
  const text = textOf(content);
  if (!calls && !text) return;
  const before = messages.at(-1);
  const joined = before?.role === "assistant" && !before.tool_calls ? messages.pop().content + text : text;
  messages.push({ role: "assistant", content: joined, ...(calls ? { tool_calls: calls } : {}) });
}

export const SAMPLES = { curl, python, javascript, anthropic };

function curl(body, base) {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl ${base}/v1/chat/completions \\\n  -H "Authorization: Bearer $AKASHML_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${json}'`;
}

// Fields the SDKs do not know go in their `extra_body`.
const KNOWN = new Set([
  "model", "messages", "stream", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
  "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "logprobs", "top_logprobs", "logit_bias", "n", "user",
]);

function python(body, base) {
  const known = Object.entries(body).filter(([name]) => KNOWN.has(name));
  const others = Object.fromEntries(Object.entries(body).filter(([name]) => !KNOWN.has(name)));
  const lines = known.map(([name, value]) => `    ${name}=${literal(value, "    ")},`);
  if (Object.keys(others).length) lines.push(`    extra_body=${literal(others, "    ")},`);
  return `import os
from openai import OpenAI

client = OpenAI(
    base_url="${base}/v1",
    api_key=os.environ["AKASHML_API_KEY"],
)
stream = client.chat.completions.create(
${lines.join("\n")}
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)`;
}

// A value as Python writes it.
function literal(value, indent) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const parts = Array.isArray(value) ? value.map((one) => literal(one, inner)) : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${literal(one, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return parts.length ? `${open}\n${parts.map((part) => `${inner}${part},`).join("\n")}\n${indent}${close}` : `${open}${close}`;
}

function javascript(body, base) {
  return `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${base}/v1",
  apiKey: process.env.AKASHML_API_KEY,
});
const stream = await client.chat.completions.create(${JSON.stringify(body, null, 2)});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`;
}

function anthropic(body, base) {
  const { stream: _, ...request } = anthropicBody(body);
  const names = new Set(["model", "max_tokens", "system", "messages", "temperature", "top_p", "top_k", "stop_sequences", "tools"]);
  const known = Object.entries(request).filter(([name]) => names.has(name));
  const others = Object.fromEntries(Object.entries(request).filter(([name]) => !names.has(name)));
  const lines = known.map(([name, value]) => `    ${name}=${literal(value, "    ")},`);
  if (Object.keys(others).length) lines.push(`    extra_body=${literal(others, "    ")},`);
  return `import os
from anthropic import Anthropic

client = Anthropic(
    base_url="${base}/anthropic",
    auth_token=os.environ["AKASHML_API_KEY"],
)
with client.messages.stream(
${lines.join("\n")}
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)`;
}

// The same request in Anthropic's dialect; what it has no field for goes along under its own name.
export function anthropicBody({ model, messages, stop, max_tokens: most, tools, ...rest }) {
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => textOf(content)).join("\n\n");
  return {
    model,
    max_tokens: most ?? ANTHROPIC_MAX_TOKENS,
    ...(system ? { system } : {}),
    messages: messages.filter(({ role }) => role !== "system").map(anthropicMessage),
    ...rest,
    ...(stop ? { stop_sequences: [stop].flat() } : {}),
    ...(tools ? { tools: tools.map(({ function: one }) => ({ name: one.name, ...(one.description ? { description: one.description } : {}), input_schema: one.parameters ?? { type: "object" } })) } : {}),
  };
}

function anthropicMessage({ role, content, tool_calls: calls, tool_call_id: id }) {
  if (role === "tool") return { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: textOf(content) }] };
  const images = imagesOf(content);
  const text = textOf(content);
  if (!images.length && !calls?.length) return { role, content: text };
  return {
    role,
    content: [
      ...images.map((url) => ({ type: "image", source: { type: "base64", media_type: /^data:([^;,]+)/.exec(url)?.[1] ?? "image/png", data: url.slice(url.indexOf(",") + 1) } })),
      ...(text ? [{ type: "text", text }] : []),
      ...(calls ?? []).map((call) => ({ type: "tool_use", id: call.id, name: call.function.name, input: inputOf(call.function.arguments) })),
    ],
  };
}

function inputOf(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {};
  }
}
