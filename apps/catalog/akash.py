"""Deployments for the Akash Network in its Stack Definition Language: the templates of deploy/akash, filled in.

What the network allows is in its documentation (akash.network/docs, SDL syntax reference).
"""

from __future__ import annotations

import json
import re
import secrets
from string import Template

from django.conf import settings
from django.core.exceptions import ValidationError

SIZE = re.compile(r"[1-9][0-9]{0,5}(Mi|Gi|Ti)")
GPU = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
# A tag or a digest: providers keep images, and `latest` would be whichever they have.
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/-]*(:[0-9]+/[a-z0-9._/-]+)?(:(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})")
HOST = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
WEIGHTS = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
DENOMINATION = re.compile(r"[a-z][a-zA-Z0-9/]{2,127}")


def backend_sdl(
    *,
    image: str,
    hf_model: str,
    served_name: str,
    gpu: str,
    gpu_ram: str,
    gpus: int,
    max_model_len: int,
    cpus: int,
    memory: str,
    disk: str,
    denom: str,
    amount: int,
    api_key: str,
    hf_token: str,
) -> str:
    """A vLLM server. Sizes are such as `80Gi`; `amount` is the most to be paid for each block, in `denom`. Raises ValidationError."""
    _check(image=(IMAGE, image), hf_model=(WEIGHTS, hf_model), gpu=(GPU, gpu), denom=(DENOMINATION, denom))
    _check(gpu_ram=(SIZE, gpu_ram), memory=(SIZE, memory), disk=(SIZE, disk))
    return _filled(
        "backend",
        image=image,
        hf_model=hf_model,
        served_name=served_name,
        gpu=gpu,
        gpu_ram=gpu_ram,
        gpus=gpus,
        gpus_text=str(gpus),
        max_model_len=str(max_model_len),
        cpus=cpus,
        memory=memory,
        disk=disk,
        denom=denom,
        amount=amount,
        api_key_variable=f"VLLM_API_KEY={api_key}",
        hf_token_variable=f"HF_TOKEN={hf_token}",
    )


def platform_sdl(
    *, image: str, host: str, processes: int, cpus: int, memory: str, disk: str, denom: str, amount: int, email_url: str
) -> str:
    """The platform with secrets of its own, made anew each time. `processes`: of the gateway and the pages. Raises ValidationError."""
    _check(image=(IMAGE, image), host=(HOST, host), memory=(SIZE, memory), disk=(SIZE, disk), denom=(DENOMINATION, denom))
    password = secrets.token_urlsafe(32)
    return _filled(
        "platform",
        image=image,
        host=host,
        cpus=cpus,
        memory=memory,
        disk=disk,
        denom=denom,
        amount=amount,
        base_url_variable=f"BASE_URL=https://{host}",
        allowed_hosts_variable=f"ALLOWED_HOSTS={host}",
        secret_key_variable=f"SECRET_KEY={secrets.token_urlsafe(48)}",
        key_pepper_variable=f"KEY_PEPPER={secrets.token_urlsafe(48)}",
        database_url_variable=f"DATABASE_URL=postgresql://akashml:{password}@postgres:5432/akashml",
        postgres_password_variable=f"POSTGRES_PASSWORD={password}",
        email_url_variable=f"EMAIL_URL={email_url}",
        web_concurrency_variable=f"WEB_CONCURRENCY={processes}",
    )


def _check(**values: tuple[re.Pattern[str], str]) -> None:
    wrong = {name: f"{value!r} is not one: {WANTED[name]}" for name, (pattern, value) in values.items() if not pattern.fullmatch(value)}
    if wrong:
        raise ValidationError(wrong)


WANTED = {
    "image": "write it with a tag other than latest, or a digest",
    "hf_model": "write organisation/name as on Hugging Face",
    "gpu": "write the network's name in small letters, such as a100 or rtx4090",
    "gpu_ram": "write a size such as 80Gi",
    "memory": "write a size such as 64Gi",
    "disk": "write a size such as 200Gi",
    "host": "write the name alone, such as ai.example.com",
    "denom": "write a denomination such as uact",
}


def _filled(name: str, **values: str | int) -> str:
    """Texts go in as JSON strings, which YAML reads as they are: nothing in them can become structure."""
    template = Template((settings.BASE_DIR / "deploy" / "akash" / f"{name}.yaml").read_text())
    return template.substitute({key: json.dumps(value) for key, value in values.items()})
