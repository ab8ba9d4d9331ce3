"""`manage.py add_backend`: a server that runs a model."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError

from apps.catalog.actions import save_backend
from apps.catalog.models import Model
from apps.core.arguments import as_command_error

OPTION_OF_FIELD = {"base_url": "BASE_URL", "upstream_model": "--upstream-model", "weight": "--weight"}


class Command(BaseCommand):
    help = "Add a backend of a model, or change what is given of the one with this address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model_id", metavar="MODEL_ID", help="as add_model was given it")
        parser.add_argument("base_url", metavar="BASE_URL", help="of an OpenAI-compatible server, with its /v1")
        parser.add_argument("--api-key", metavar="K", help="what the server wants as a bearer token")
        parser.add_argument("--upstream-model", metavar="NAME", help="the model's name at this server; MODEL_ID if left out")
        parser.add_argument(
            "--weight", type=int, metavar="N", help="its share of requests against other backends of the model; 1 if left out"
        )

    def handle(self, *args: Any, model_id: str, base_url: str, **options: Any) -> None:
        model = Model.objects.filter(public_id=model_id).first()
        if model is None:
            raise CommandError(f"MODEL_ID: there is no model {model_id!r}; run add_model first")
        fields = {name: options[name] for name in ("api_key", "upstream_model", "weight") if options[name] is not None}
        try:
            backend, created = save_backend(model, base_url, fields)
        except ValidationError as error:
            raise as_command_error(error, OPTION_OF_FIELD) from None
        if not backend.is_active:
            self.stderr.write("The backend is switched off in the admin site.")
        self.stdout.write(f"{'Added' if created else 'Updated'} {backend.base_url} for {model}")
