"""A real engine for tests: llama.cpp's own OpenAI server over a tiny model with random weights, made on the spot.

It runs in a process of its own, so that a crash in native code ends only itself: `python -m tests.engine FOLDER`.
What the model says has no meaning; how it is said (usage, finish reasons, stream format, errors) is the real thing.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CONTEXT_LENGTH = 2048
"""Tokens, prompt and output together, of each of the parallel slots."""
SLOTS = 4
CHAT_TEMPLATE = (
    '{% for message in messages %}<|{{ message.role }}|>{{ message.content or "" }}<|end|>{% endfor %}'
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL_TOKENS = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"]
TEXT = "the a of to and in is you that it he was for on are with as I his they be at one have this model token price stream"
"""Words that are a token each."""
WIDTH, HIDDEN, HEADS, LAYERS = 64, 128, 4, 2
BIAS = 4.0
"""Component 0 of every embedding: a constant that outputs can use as a bias, since a llama has none."""


class Engine:
    """A running engine process. `base_url` includes /v1; `root_url` does not."""

    def __init__(self, process: subprocess.Popen[bytes], root_url: str) -> None:
        self.process = process
        self.root_url = root_url
        self.base_url = f"{root_url}/v1"

    def stop(self) -> None:
        """End the process: by closing its standard input, else by killing it after 5 s."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start_engine(folder: Path, timeout_s: float = 60.0) -> Engine:
    """Make the model in `folder`, serve it and return when it answers; the log is `folder/engine.log`.

    Raises RuntimeError with the end of the log when the process ends or says nothing within `timeout_s`.
    """
    log_path = folder / "engine.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine", str(folder)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(timeout_s) else b""
    engine = Engine(process, line.decode().strip())
    if not line.startswith(b"http://"):
        process.kill()
        engine.stop()
        raise RuntimeError(f"the engine did not start; its log ends in: {log_path.read_text(errors='replace')[-2000:]}")
    return engine


def make_model(path: Path) -> None:
    """Write a llama with random weights (always the same) as GGUF, about 0.6 MB."""
    import gguf
    import numpy

    tokens, scores, types = _vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT_LENGTH * SLOTS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_unk_token_id(tokens.index("<unk>"))
    writer.add_bos_token_id(tokens.index("<s>"))
    writer.add_eos_token_id(tokens.index("</s>"))
    writer.add_eot_token_id(tokens.index("<|end|>"))
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)

    random = numpy.random.default_rng(0)

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        values: numpy.ndarray = random.standard_normal((rows, columns)) / columns**0.5
        return values.astype(numpy.float32)

    embedding = random.standard_normal((len(tokens), WIDTH)).astype(numpy.float32)
    embedding[:, 0] = BIAS
    output = 0.3 * random.standard_normal((len(tokens), WIDTH)).astype(numpy.float32)
    # Text tokens are likely, so that answers are readable; bytes, control tokens and the end hardly ever come.
    output[:, 0] = [0.0 if kind == gguf.TokenType.NORMAL else -BIAS for kind in types]
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, numpy.float32))
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH // 2, WIDTH),
            ("attn_v", WIDTH // 2, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", HIDDEN, WIDTH),
            ("ffn_up", HIDDEN, WIDTH),
            ("ffn_down", WIDTH, HIDDEN),
        ):
            weights = matrix(rows, columns)
            if rows == WIDTH and name in ("attn_output", "ffn_down"):
                weights[0] = 0.0  # keeps the bias component constant through the layers
            writer.add_tensor(f"blk.{layer}.{name}.weight", weights)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", numpy.ones(WIDTH, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[str], list[float], list[int]]:
    """A SentencePiece vocabulary: control tokens, every byte, printable characters, and some words with all their beginnings."""
    from gguf import TokenType

    pieces = [chr(code) for code in range(33, 127)] + list("äöüéß…–€") + ["\u2581"]
    # A word is only found by merging, so each of its beginnings must be a token too.
    beginnings = {f"\u2581{word[:length]}" for word in TEXT.split() for length in range(1, len(word) + 1)}
    pieces += sorted(beginnings - set(pieces), key=lambda piece: (len(piece), piece))
    tokens = ["<unk>", *CONTROL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    types = [TokenType.UNKNOWN, *[TokenType.CONTROL] * len(CONTROL_TOKENS), *[TokenType.BYTE] * 256, *[TokenType.NORMAL] * len(pieces)]
    scores = [0.0] * (len(tokens) - len(pieces)) + [float(len(piece)) for piece in pieces]
    return tokens, scores, [int(kind) for kind in types]


def serve(folder: Path) -> None:
    """Make and serve the model, print the address, and end when standard input does (so it never outlives its test run)."""
    import xllamacpp

    path = folder / "random.gguf"
    make_model(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {"random"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_LENGTH * SLOTS
    params.n_parallel = SLOTS
    params.n_gpu_layers = 0
    params.fit_params = False
    params.warmup = False
    params.cache_ram_mib = 0
    params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.buffer.read()
    # Not by way of the server's destructor: it waits for ever when its main loop has not begun yet.
    os._exit(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
