"""`manage.py add_model`: a model that customers can call once it has a backend."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import BaseCommand

from apps.catalog.actions import save_model
from apps.catalog.models import FEATURES
from apps.core.arguments import as_command_error, usd_per_million_tokens, usd_per_request

OPTION_OF_FIELD = {
    "public_id": "ID",
    "supported_features": "--feature",
    "max_output_length": "--max-output",
    "context_length": "--context-length",
    "name": "--name",
}


class Command(BaseCommand):
    help = "Add a model to the catalogue, or change what is given of an existing one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("public_id", metavar="ID", help="organisation/name, or a name alone")
        parser.add_argument("--name", help="for people; the id's last part if left out")
        parser.add_argument("--input-price", type=usd_per_million_tokens, metavar="USD/M", dest="input_pico", help="per million tokens")
        parser.add_argument("--output-price", type=usd_per_million_tokens, metavar="USD/M", dest="output_pico", help="per million tokens")
        parser.add_argument(
            "--cache-read-price",
            type=usd_per_million_tokens,
            metavar="USD/M",
            dest="cached_input_pico",
            help="per million cached input tokens; the input price if left out",
        )
        parser.add_argument("--request-price", type=usd_per_request, metavar="USD", dest="request_pico", help="once per request")
        parser.add_argument("--context-length", type=int, metavar="N", help="tokens, prompt and answer together")
        parser.add_argument("--max-output", type=int, metavar="N", dest="max_output_length", help="tokens")
        parser.add_argument(
            "--feature", action="append", metavar="F", dest="supported_features", help=f"repeatable; any of {', '.join(FEATURES)}"
        )

    def handle(self, *args: Any, public_id: str, **options: Any) -> None:
        fields = _given(options, "name", "context_length", "max_output_length", "supported_features")
        prices = _given(options, "input_pico", "output_pico", "cached_input_pico", "request_pico")
        try:
            model, created = save_model(public_id, fields, prices)
        except ValidationError as error:
            raise as_command_error(error, OPTION_OF_FIELD) from None
        free = [option for option, name in (("--input-price", "input_pico"), ("--output-price", "output_pico")) if name not in prices]
        if created and free:
            self.stderr.write(f"{' and '.join(free)} not given: free of charge.")
        if not model.is_active:
            self.stderr.write("The model is switched off in the admin site.")
        self.stdout.write(f"{'Added' if created else 'Updated'} {model}")


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}
