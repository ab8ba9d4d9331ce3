"""Who is measured: the backend itself, nginx in front of it, LiteLLM, and ours (ours.py). Each is a program on the gateway's core.

All of them are asked with the same bodies. `url` says where, for an answer of the mock backend; `pids` are the processes whose CPU
and memory count.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from akashml.runner.process import spawn, tail
from benchmarks.loads import Load, LoadFailed
from benchmarks.machine import Cores, family, pinned, program


class Contender(Protocol):
    name: str
    tokens: list[str]

    @property
    def slowness(self) -> int:
        """So many times as long is it measured, so that those it leaves unfinished at the end weigh little."""
        ...

    def url(self, load: Load) -> str: ...

    def pids(self) -> list[int]: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes], grace_s: float = 10) -> None:
    """Ask, wait, and kill what is left of its session."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float = 60) -> None:
    """Until `url` answers 200. Raises LoadFailed with the end of the log."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not yet
        if process.poll() is not None or time.monotonic() > deadline:
            raise LoadFailed(f"{url} does not answer. The end of {log}:\n{tail(log)}")
        time.sleep(0.05)


@dataclass
class MockBackend:
    """The model server behind everybody (mock_backend.c), on the load's core. As a contender: asked without anything in between."""

    folder: Path
    cores: Cores
    name: str = "direct"
    slowness: int = 1
    tokens: list[str] = field(default_factory=lambda: ["none"])
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, stack: ExitStack) -> None:
        """Compile it if its source is newer, and start it; it ends with `stack`."""
        source, binary = Path(__file__).with_name("mock_backend.c"), self.folder / "mock_backend"
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            done = subprocess.run([program("cc"), "-O2", "-o", binary, source], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LoadFailed(f"{source} could not be compiled:\n{done.stderr}")
        log = self.folder / "mock_backend.log"
        with pinned(self.cores.load):
            self.process = spawn([binary, str(self.port)], log=log, death_signal=signal.SIGKILL)
        stack.callback(stop, self.process)
        wait_for(f"{self.address}/stats", self.process, log)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def base_url(self, answer: str) -> str:
        """Where an OpenAI client of this answer is pointed."""
        return f"{self.address}/{answer}/v1"

    def url(self, load: Load) -> str:
        return f"{self.base_url(load.answer)}/chat/completions"

    def pids(self) -> list[int]:
        assert self.process is not None
        return [self.process.pid]

    def served(self) -> dict[str, int]:
        """Its counters since its start: requests, streams, chunks, prompt_tokens, output_tokens, …"""
        counters: dict[str, int] = httpx.get(f"{self.address}/stats", timeout=5).json()
        return counters


@dataclass
class Nginx:
    """A plain reverse proxy: one worker, connections to the backend kept, nothing buffered, as one has it in front of a model server."""

    backend: MockBackend
    folder: Path
    cores: Cores
    name: str = "nginx"
    slowness: int = 1
    tokens: list[str] = field(default_factory=lambda: ["none"])
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def configuration(self) -> str:
        return f"""
            daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid; error_log stderr error;
            {"user root;" if os.geteuid() == 0 else ""}
            events {{ worker_connections 8192; }}
            http {{
                access_log off; client_max_body_size 32m; client_body_buffer_size 2m; keepalive_requests 1000000000;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                upstream backend {{ server 127.0.0.1:{self.backend.port}; keepalive 2000; keepalive_requests 1000000000; }}
                server {{
                    listen 127.0.0.1:{self.port} backlog=4096;
                    location / {{
                        proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
                    }}
                }}
            }}"""

    def start(self, stack: ExitStack) -> None:
        home = self.folder / "nginx"
        home.mkdir(exist_ok=True)
        (home / "nginx.conf").write_text(self.configuration())
        with pinned(self.cores.gateway):
            self.process = spawn(
                [program("nginx"), "-p", home, "-c", "nginx.conf", "-e", "stderr"], log=home / "log", death_signal=signal.SIGTERM
            )
        stack.callback(stop, self.process)
        wait_for(f"http://127.0.0.1:{self.port}/stats", self.process, home / "log")

    def url(self, load: Load) -> str:
        return f"http://127.0.0.1:{self.port}/{load.answer}/v1/chat/completions"

    def pids(self) -> list[int]:
        assert self.process is not None
        return family(self.process.pid)
