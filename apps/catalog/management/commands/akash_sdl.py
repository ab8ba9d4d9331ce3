"""`manage.py akash_sdl`: a deployment for the Akash Network, ready to be put up for bids."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import BaseCommand

from apps.catalog.akash import backend_sdl, platform_sdl
from apps.core.arguments import as_command_error, whole_number

VLLM = "vllm/vllm-openai:v0.11.0"
OPTION_OF_FIELD = {
    "image": "--image",
    "hf_model": "--weights",
    "gpu": "--gpu",
    "gpu_ram": "--gpu-ram",
    "memory": "--memory",
    "disk": "--disk",
    "host": "HOST",
    "denom": "--denom",
}


class Command(BaseCommand):
    help = "Write an SDL file for the Akash Network to standard output: a vLLM backend for a model, or the platform itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True)
        backend = kinds.add_parser("backend", help="a vLLM server on GPUs")
        backend.add_argument("model_id", metavar="MODEL_ID", help="as customers will ask for it")
        backend.add_argument("--weights", metavar="ORG/NAME", help="on Hugging Face; MODEL_ID if left out")
        backend.add_argument("--gpu", required=True, metavar="NAME", help="a100, h100, rtx4090, …")
        backend.add_argument("--gpu-ram", required=True, metavar="SIZE", help="of each GPU, such as 80Gi")
        backend.add_argument("--gpus", type=whole_number(1, 8), default=1, metavar="N")
        backend.add_argument("--max-model-len", type=whole_number(256, 10_000_000), default=32_768, metavar="TOKENS")
        backend.add_argument("--api-key", metavar="K", help="what the server will ask for; made anew if left out")
        backend.add_argument("--hf-token", default="", metavar="T", help="for weights that are not public")
        self._add_resources(backend, image=VLLM, cpus=8, memory="64Gi", disk="200Gi", amount=100_000)
        platform = kinds.add_parser("platform", help="gateway, pages, workers, Postgres and Valkey")
        platform.add_argument("host", metavar="HOST", help="the site's name, such as ai.example.com")
        platform.add_argument("--processes", type=whole_number(1, 64), default=2, metavar="N", help="of gateway and pages")
        platform.add_argument("--email-url", default="", metavar="URL", help="EMAIL_URL of docs/operations.md")
        self._add_resources(platform, image=None, cpus=4, memory="4Gi", disk="50Gi", amount=10_000)

    def _add_resources(self, parser: ArgumentParser, *, image: str | None, cpus: int, memory: str, disk: str, amount: int) -> None:
        parser.add_argument("--image", default=image, required=image is None, metavar="NAME:TAG")
        parser.add_argument("--cpus", type=whole_number(1, 256), default=cpus, metavar="N")
        parser.add_argument("--memory", default=memory, metavar="SIZE")
        parser.add_argument("--disk", default=disk, metavar="SIZE", help="that outlives restarts")
        parser.add_argument("--denom", default="uact", metavar="NAME", help="in which bids are made")
        parser.add_argument("--amount", type=whole_number(1, 10**12), default=amount, metavar="N", help="the most for each block")

    def handle(self, *args: Any, kind: str, **options: Any) -> None:
        chosen = {name: options[name] for name in ("image", "cpus", "memory", "disk", "denom", "amount")}
        try:
            if kind == "backend":
                self._backend(options, chosen)
            else:
                self.stdout.write(
                    platform_sdl(host=options["host"], processes=options["processes"], email_url=options["email_url"], **chosen)
                )
                self.stderr.write("Keep the file: its KEY_PEPPER can never be changed, and another run makes other secrets.")
        except ValidationError as error:
            raise as_command_error(error, OPTION_OF_FIELD) from None

    def _backend(self, options: dict[str, Any], chosen: dict[str, Any]) -> None:
        api_key = options["api_key"] or secrets.token_urlsafe(32)
        own = {name: options[name] for name in ("gpu", "gpu_ram", "gpus", "max_model_len", "hf_token")}
        model = options["model_id"]
        self.stdout.write(backend_sdl(hf_model=options["weights"] or model, served_name=model, api_key=api_key, **own, **chosen))
        self.stderr.write(f"When the lease runs: manage.py add_backend {model} https://ADDRESS-OF-THE-LEASE/v1 --api-key {api_key}")
