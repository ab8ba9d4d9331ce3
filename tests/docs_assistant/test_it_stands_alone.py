"""The assistant is a process of its own: it needs no Django, no database, and says what is wrong with its settings."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "uvicorn", "apps.docs_assistant.app:application", "--port", "0"]


def environment(**variables):
    return {"PATH": os.environ["PATH"], **variables}


def test_it_imports_neither_django_nor_other_apps():
    code = "import sys, apps.docs_assistant.app; print(*sorted(m for m in sys.modules if m.startswith(('django', 'akashml', 'apps.'))))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert loaded
    assert all(module.startswith(("apps.docs_assistant", "apps.core")) for module in loaded)


def test_the_documented_command_serves_and_stops_on_sigint(tmp_path):
    (tmp_path / "one.md").write_text("# One\n\nThe quokka is small.\n")
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment(DOCS_DIR=str(tmp_path), ASSISTANT_PACE_S="0"), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = next(found[1] for line in process.stderr if (found := re.search(r"running on (http://\S+)", line)))
            body = {"model": "akashml/docs-assistant", "messages": [{"role": "user", "content": "quokka"}]}
            answer = httpx.post(f"{address}/v1/chat/completions", json=body, trust_env=False).json()
            assert "The quokka is small." in answer["choices"][0]["message"]["content"]
            process.send_signal(signal.SIGINT)
            process.wait(10)
        finally:
            process.kill()


def refused(**variables):
    result = subprocess.run(COMMAND, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode != 0
    return result.stderr


def test_a_folder_without_pages_is_a_start_up_error_that_names_the_variable(tmp_path):
    assert f"DOCS_DIR={tmp_path} has no Markdown pages" in refused(DOCS_DIR=str(tmp_path))


def test_a_malformed_pace_is_a_start_up_error_that_names_the_variable():
    for value in ("fast", "-1", "nan", "1e9"):
        assert f"ASSISTANT_PACE_S='{value}' is not a number of seconds" in refused(ASSISTANT_PACE_S=value)
