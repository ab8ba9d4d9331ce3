"""LiteLLM's proxy as a contender: the version of litellm.txt, in an environment of its own that the first run makes.

As lean as its documentation on production and benchmarks says: one worker, no database, a master key, no callbacks, no retries, logging off.
It checks that key and passes requests on; it counts no money, keeps no limits and writes no log.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from akashml.runner.process import spawn, tail
from benchmarks.contenders import MockBackend, free_port, stop, wait_for
from benchmarks.loads import ANSWERS, Load, LoadFailed, finish, model_name
from benchmarks.machine import Cores, family, pinned

LOCK = Path(__file__).with_name("litellm.txt")
KEY = "sk-bench"
INSTALL_S, START_S = 900, 240  # half a gigabyte of packages, imported at each start
ENVIRONMENT = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@dataclass
class LiteLLM:
    backend: MockBackend
    folder: Path
    cores: Cores
    name: str = "LiteLLM"
    slowness: int = 3
    tokens: list[str] = field(default_factory=lambda: [KEY])
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.folder / "litellm"

    def start(self, stack: ExitStack) -> None:
        """Install it if it is not, and start it; it ends with `stack`. Raises LoadFailed."""
        self.install()
        configuration, log = self.folder / "litellm.yaml", self.folder / "litellm.log"
        configuration.write_text(json.dumps(self.configuration(), indent=1))  # YAML reads JSON
        log.unlink(missing_ok=True)
        command = [
            *(self.home / "bin" / "litellm", "--config", configuration, "--host", "127.0.0.1", "--port", str(self.port)),
            *("--num_workers", "1", "--telemetry", "False"),
        ]
        with pinned(self.cores.gateway):
            self.process = spawn(command, log=log, death_signal=signal.SIGKILL, env=os.environ | ENVIRONMENT, cwd=self.folder)
        stack.callback(stop, self.process)
        wait_for(f"http://127.0.0.1:{self.port}/health/liveliness", self.process, log, START_S)

    def configuration(self) -> dict[str, object]:
        models = [
            {
                "model_name": model_name(answer),
                "litellm_params": {"model": "openai/mock-model", "api_base": self.backend.base_url(answer), "api_key": "none"},
            }
            for answer in ANSWERS
        ]
        return {
            "model_list": models,
            "litellm_settings": {"num_retries": 0, "request_timeout": 600, "set_verbose": False, "callbacks": []},
            "general_settings": {"master_key": KEY, "disable_spend_logs": True, "disable_error_logs": True},
        }

    def install(self) -> None:
        """By the lock file, when it differs from what was installed last. Raises LoadFailed."""
        remembered = self.home / "installed.txt"
        if remembered.exists() and remembered.read_bytes() == LOCK.read_bytes():
            return
        log, python = self.folder / "litellm-install.log", self.home / "bin" / "python"
        log.unlink(missing_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)
        for command in (
            [sys.executable, "-m", "venv", "--without-pip", self.home],
            [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--python", python, "-r", LOCK],
        ):
            if finish(spawn(command, log=log, death_signal=signal.SIGKILL), INSTALL_S) != 0:
                raise LoadFailed(f"LiteLLM could not be installed (`--without-litellm` does without it):\n{tail(log)}")
        shutil.copyfile(LOCK, remembered)

    def url(self, load: Load) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def pids(self) -> list[int]:
        assert self.process is not None
        return family(self.process.pid)

    def version(self) -> str:
        """As the lock names it."""
        return next(line.partition("==")[2].split()[0] for line in LOCK.read_text().splitlines() if line.startswith("litellm=="))
