"""Promise: `manage.py akash_sdl` writes a deployment that the Akash Network takes as it is, whatever it was given, or says what is wrong."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

SIZE = re.compile(r"\d+(Mi|Gi|Ti)")


def written(*arguments: str) -> tuple[dict[str, Any], str]:
    """What was written, as YAML reads it, and what was said about it."""
    out, err = io.StringIO(), io.StringIO()
    call_command("akash_sdl", *arguments, stdout=out, stderr=err)
    return yaml.safe_load(out.getvalue()), err.getvalue()


def variables(service: dict[str, Any]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in service["env"])


def check_whole(sdl: dict[str, Any]) -> None:
    """What the network's syntax reference asks of each file."""
    assert sdl["version"] == "2.0"
    compute, placement = sdl["profiles"]["compute"], sdl["profiles"]["placement"]["akash"]
    assert set(sdl["services"]) == set(sdl["deployment"]) == set(compute) == set(placement["pricing"])
    assert any(to.get("global") for service in sdl["services"].values() for port in service["expose"] for to in port["to"])
    for name, service in sdl["services"].items():
        assert sdl["deployment"][name]["akash"] == {"profile": name, "count": 1}
        assert isinstance(placement["pricing"][name]["amount"], int)
        resources = compute[name]["resources"]
        volumes = {one["name"]: one for one in resources["storage"] if "name" in one}
        assert set(service.get("params", {}).get("storage", {})) == set(volumes)
        assert sum(one["attributes"]["persistent"] for one in volumes.values()) <= 1  # the network mounts one a service
        assert all(SIZE.fullmatch(size) for size in [resources["memory"]["size"], *(one["size"] for one in resources["storage"])])
        assert not service["image"].endswith(":latest")
        for port in service["expose"]:
            options = port.get("http_options", {})
            assert options.get("read_timeout", 0) <= 60_000
            assert options.get("max_body_size", 0) <= 104_857_600


def test_a_backend_serves_the_model_under_its_own_name_with_a_key() -> None:
    sdl, said = written(
        *("backend", "meta/llama-3.3-70b", "--weights", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "h100", "--gpu-ram", "80Gi"),
        *("--gpus", "2", "--max-model-len", "65536"),
    )
    check_whole(sdl)
    [service] = sdl["services"].values()
    options = dict(zip(service["args"][::2], service["args"][1::2], strict=True))
    assert options == {
        "--model": "meta-llama/Llama-3.3-70B-Instruct",
        "--served-model-name": "meta/llama-3.3-70b",
        "--max-model-len": "65536",
        "--tensor-parallel-size": "2",
    }
    gpu = sdl["profiles"]["compute"]["vllm"]["resources"]["gpu"]
    assert gpu == {"units": 2, "attributes": {"vendor": {"nvidia": [{"model": "h100", "ram": "80Gi"}]}}}
    key = variables(service)["VLLM_API_KEY"]
    assert len(key) > 30
    assert f"add_backend meta/llama-3.3-70b https://ADDRESS-OF-THE-LEASE/v1 --api-key {key}" in said


def test_the_platform_comes_with_servers_and_secrets_of_its_own() -> None:
    sdl, said = written("platform", "ai.example.com", "--image", "registry.example.com/akashml:1.0", "--email-url", 'smtp://a:"b"@mail')
    check_whole(sdl)
    told = variables(sdl["services"]["platform"])
    password = variables(sdl["services"]["postgres"])["POSTGRES_PASSWORD"]
    assert told["DATABASE_URL"] == f"postgresql://akashml:{password}@postgres:5432/akashml"
    assert (told["BASE_URL"], told["ALLOWED_HOSTS"], told["EMAIL_URL"]) == ("https://ai.example.com", "ai.example.com", 'smtp://a:"b"@mail')
    assert all(len(told[name]) >= 32 for name in ("SECRET_KEY", "KEY_PEPPER"))
    again = variables(written("platform", "ai.example.com", "--image", "registry.example.com/akashml:1.0")[0]["services"]["platform"])
    assert not {told[name] for name in ("SECRET_KEY", "KEY_PEPPER")} & {again[name] for name in ("SECRET_KEY", "KEY_PEPPER")}
    assert "KEY_PEPPER" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("backend", "a/b", "--gpu", "H100", "--gpu-ram", "80Gi"), "--gpu"),
        (("backend", "a/b", "--gpu", "h100", "--gpu-ram", "80"), "--gpu-ram"),
        (("backend", "a/b", "--gpu", "h100", "--gpu-ram", "80Gi", "--gpus", "9"), "--gpus"),
        (("backend", "a/b", "--gpu", "h100", "--gpu-ram", "80Gi", "--weights", "b"), "--weights"),
        (("backend", "a/b", "--gpu", "h100", "--gpu-ram", "80Gi", "--image", "vllm/vllm-openai:latest"), "--image"),
        (("platform", "https://ai.example.com", "--image", "a:1"), "HOST"),
        (("platform", "ai.example.com", "--image", "a"), "--image"),
        (("platform", "ai.example.com", "--image", "a:1", "--disk", "5Gi\n        class: x"), "--disk"),
    ],
)
def test_what_the_network_would_refuse_is_named(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError, match=re.escape(named)):
        written(*arguments)
