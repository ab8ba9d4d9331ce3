"""Anthropic's dialect, by translation: its requests become OpenAI's before the story, a backend's answer becomes Anthropic's after it.
Pure: no I/O. docs/anthropic-compatibility.md lists what happens to each field."""
