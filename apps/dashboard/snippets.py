"""The first call in each way people make it, ready to paste."""

from __future__ import annotations

from apps.core.code_samples import Sample

PROMPT = "Explain a B-tree in two lines."


def first_call(api_base: str, model: str, key: str | None = None, prompt: str = PROMPT, *, agent_model: str | None) -> list[Sample]:
    """curl, Python, JavaScript and Claude Code against this API (`api_base` without `/v1`).

    With a key the samples carry it; without one they read it from AKASHML_API_KEY. `agent_model`: one that calls tools, without which
    Claude Code does nothing; None where there is none yet.
    """
    return [
        Sample("curl", "curl", _curl(api_base, model, key, prompt)),
        Sample("python", "Python", _python(api_base, model, key, prompt)),
        Sample("javascript", "JavaScript", _javascript(api_base, model, key, prompt)),
        Sample("claude-code", "Claude Code", _claude_code(api_base, agent_model, key)),
    ]


def anthropic_call(api_base: str, model: str, key: str | None = None, prompt: str = PROMPT) -> Sample:
    """The same call with Anthropic's package for Python."""
    return Sample("anthropic", "Anthropic", _anthropic(api_base, model, key, prompt))


def _curl(api_base: str, model: str, key: str | None, prompt: str) -> str:
    return f"""\
curl {api_base}/v1/chat/completions \\
  -H "Authorization: Bearer {key or "$AKASHML_API_KEY"}" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "model": "{model}",
    "stream": true, "max_tokens": 400,
    "messages": [{{"role": "user",
      "content": "{prompt}"}}]
  }}'"""


def _python(api_base: str, model: str, key: str | None, prompt: str) -> str:
    given = f'"{key}"' if key else 'os.environ["AKASHML_API_KEY"]'
    return f"""\
{"" if key else "import os" + chr(10)}from openai import OpenAI

client = OpenAI(
    base_url="{api_base}/v1",
    api_key={given},
)
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "{prompt}"}}],
)
print(answer.choices[0].message.content)"""


def _javascript(api_base: str, model: str, key: str | None, prompt: str) -> str:
    given = f'"{key}"' if key else "process.env.AKASHML_API_KEY"
    return f"""\
import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{api_base}/v1",
  apiKey: {given},
}});
const answer = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "{prompt}" }}],
}});
console.log(answer.choices[0].message.content);"""


def _anthropic(api_base: str, model: str, key: str | None, prompt: str) -> str:
    given = f'"{key}"' if key else 'os.environ["AKASHML_API_KEY"]'
    return f"""\
{"" if key else "import os" + chr(10)}from anthropic import Anthropic

client = Anthropic(
    base_url="{api_base}/anthropic",
    api_key={given},
)
message = client.messages.create(
    model="{model}",
    max_tokens=400,
    messages=[{{"role": "user", "content": "{prompt}"}}],
)
print(message.content[0].text)"""


def _claude_code(api_base: str, model: str | None, key: str | None) -> str:
    model, hint = (model, "") if model else ("ORG/MODEL", "# ORG/MODEL: one that calls tools. None is offered here yet.\n")
    return f"""\
{hint}export ANTHROPIC_BASE_URL="{api_base}/anthropic"
export ANTHROPIC_AUTH_TOKEN="{key or "$AKASHML_API_KEY"}"
export ANTHROPIC_DEFAULT_OPUS_MODEL="{model}"
export ANTHROPIC_DEFAULT_SONNET_MODEL="{model}"
export ANTHROPIC_DEFAULT_HAIKU_MODEL="{model}"

claude"""
