"""What is asked of every contender, and asking it: as fast as answers come, over a fixed number of connections (wrk)."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from akashml.runner.process import spawn, tail
from benchmarks.machine import program

HERE = Path(__file__).resolve().parent
ANSWER_TIMEOUT_S = 60  # the slowest contender needs seconds for an answer while 64 wait


class LoadFailed(Exception):
    """A load could not be put on a contender, or answers were wrong: figures would mean nothing."""


@dataclass(frozen=True)
class Load:
    """`answer` is what the mock backend's path says (`whole`, `burst/50`, `paced/20/500`); `prompt_bytes` is about the body's size."""

    name: str
    answer: str
    connections: int
    prompt_bytes: int = 200
    messages: bool = False
    """In Anthropic's dialect, which only our gateway is asked in. The body is the same."""

    @property
    def streamed(self) -> bool:
        return self.answer != "whole"

    @property
    def model(self) -> str:
        return model_name(self.answer)

    def body(self) -> bytes:
        text = "Say something. " * (self.prompt_bytes // 15 + 1)
        messages = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text[: self.prompt_bytes]}]
        return json.dumps({"model": self.model, "messages": messages, "max_tokens": 200, "stream": self.streamed}).encode()


def model_name(answer: str) -> str:
    """The public model of an answer: one model each, since the path of its backend decides what it says."""
    return f"bench/{answer.replace('/', '-')}"


WHOLE_64 = Load("whole answers, 64 connections", "whole", 64)
WHOLE_1 = Load("whole answers, 1 connection", "whole", 1)
BURST_64 = Load("streams of 50 chunks in a burst, 64 connections", "burst/50", 64)
MESSAGES_64 = replace(BURST_64, name="messages in streams of 50 chunks in a burst, 64 connections", messages=True)
PACED = "paced/80/500"  # two chunks a second for 40 s: long enough to open a thousand of them and to watch them for a while
KILLED = "paced/80/50"  # twenty chunks a second for 4 s: the processes under them are killed
ANSWERS = [WHOLE_64.answer, BURST_64.answer, PACED, KILLED]


def finish(process: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Wait for a program that ends by itself; it ends with us in any case. Returns its exit status. Raises subprocess.TimeoutExpired."""
    try:
        return process.wait(timeout_s)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Answered:
    """What wrk counted. `refused` are answers that were no success, `broken` connections and time-outs."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    refused: int
    broken: int


def put(load: Load, url: str, tokens: list[str], seconds: float, folder: Path) -> Answered:
    """Put a load on `url` with wrk. Raises LoadFailed."""
    body, bearer, log = folder / "body.json", folder / "tokens", folder / "wrk.log"
    body.write_bytes(load.body())
    bearer.write_text("\n".join(tokens) + "\n")
    log.unlink(missing_ok=True)
    command = [
        *(program("wrk"), "--threads", "1", "--connections", str(load.connections), "--duration", f"{max(1, round(seconds))}s"),
        *("--timeout", f"{ANSWER_TIMEOUT_S}s", "--script", HERE / "wrk.lua", url, "--", body, bearer),
    ]
    code = finish(spawn(command, log=log, death_signal=signal.SIGKILL), seconds + 2 * ANSWER_TIMEOUT_S)
    last = tail(log, 1)
    if code != 0 or not last.startswith("{"):
        raise LoadFailed(f"wrk on {url} failed:\n{tail(log)}")
    counted = json.loads(last)
    return Answered(counted["requests"], counted["us"] / 1e6, counted["p50_us"], counted["p99_us"], counted["refused"], counted["broken"])
