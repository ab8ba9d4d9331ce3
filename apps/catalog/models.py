"""What can be called (Model), what it costs from when on (Price), and where it runs (Backend)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from apps.core.crypto import decrypt, encrypt
from apps.core.money import MAX_PRICE_PICO

BACKEND_KEY = "catalog.backend.api_key"

FEATURES = ["chat", "tools", "streaming", "reasoning", "json_mode", "structured_outputs", "logprobs", "vision"]
SAMPLING_PARAMETERS = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "max_tokens",
    "stop",
    "seed",
]

public_id_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)?\Z",
    "A model id is a name, or an organisation and a name parted by '/', of letters, digits and . _ : -",
)

# It stands in a header of every request to the backend.
api_key_validator = RegexValidator(
    r"^[\x21-\x7e]*\Z", "An API key is made of printable ASCII characters without spaces: check what was pasted along with it."
)


def _texts() -> ArrayField:
    return ArrayField(models.CharField(max_length=64), default=list, blank=True)


_TIMEOUT = [MinValueValidator(0.1), MaxValueValidator(3600)]  # seconds


class Model(models.Model):
    """A model as customers see it."""

    public_id = models.CharField(max_length=200, unique=True, validators=[public_id_validator])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    context_length = models.PositiveIntegerField(
        default=131_072, validators=[MinValueValidator(1), MaxValueValidator(10_000_000)], help_text="tokens, prompt and answer together"
    )
    max_output_length = models.PositiveIntegerField(null=True, blank=True, help_text="tokens; empty: whatever the context leaves")
    default_max_output = models.PositiveIntegerField(
        default=4_096, validators=[MinValueValidator(1)], help_text="tokens held for a request that sets no max_tokens"
    )
    quantization = models.CharField(max_length=32, blank=True)
    input_modalities = _texts()
    output_modalities = _texts()
    supported_sampling_parameters = _texts()
    supported_features = _texts()
    reasoning = models.JSONField(
        default=dict, blank=True, help_text="how `reasoning` and `reasoning_effort` are written for this model's backends"
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.public_id

    @property
    def organisation(self) -> str:
        """The id's part up to its slash, with it; empty without one."""
        organisation, slash, _ = self.public_id.rpartition("/")
        return organisation + slash

    @property
    def short_name(self) -> str:
        """The id without its organisation."""
        return self.public_id.rpartition("/")[2]

    def clean(self) -> None:
        """Raises ValidationError for reasoning settings that no request could be written by (apps/gateway/openai/reasoning.py)."""
        settings = self.reasoning
        if not isinstance(settings, dict):
            raise ValidationError({"reasoning": "must be an object"})
        for name, value in settings.items():
            if name == "efforts":
                if not (isinstance(value, list) and value and all(isinstance(effort, str) for effort in value)):
                    raise ValidationError({"reasoning": "efforts must be a list of texts, from little to much"})
            elif name not in ("effort", "enabled", "max_tokens"):
                raise ValidationError({"reasoning": f"unknown: {name}; choose from effort, efforts, enabled, max_tokens"})
            elif not (isinstance(value, str) and all(value.split("."))):
                raise ValidationError({"reasoning": f"{name} must be a path in the backend's request, such as a.b.c"})


class Price(models.Model):
    """What one token costs from `effective_from` on, in pico-USD. Never edited: a new price is a new row."""

    model = models.ForeignKey(Model, models.CASCADE, related_name="prices")
    effective_from = models.DateTimeField(default=timezone.now)
    input_pico = models.BigIntegerField()
    cached_input_pico = models.BigIntegerField(null=True, blank=True, help_text="empty: cached input costs what input costs")
    output_pico = models.BigIntegerField()
    request_pico = models.BigIntegerField(default=0, help_text="once per request")

    class Meta:
        indexes = [models.Index(fields=["model", "-effective_from"])]
        constraints = [
            models.CheckConstraint(condition=models.Q(**{f"{field}__gte": 0, f"{field}__lte": most}), name=f"catalog_price_{field}_range")
            for field, most in (
                ("input_pico", MAX_PRICE_PICO),
                ("cached_input_pico", MAX_PRICE_PICO),
                ("output_pico", MAX_PRICE_PICO),
                ("request_pico", 10**15),
            )
        ]

    def __str__(self) -> str:
        return f"from {self.effective_from:%Y-%m-%d %H:%M} {self.effective_from.tzname()}"


class Backend(models.Model):
    """An OpenAI-compatible server that runs a model. `base_url` includes `/v1`."""

    model = models.ForeignKey(Model, models.CASCADE, related_name="backends")
    base_url = models.CharField(max_length=500)  # checked by backend_urls: a URLField refuses container networks' one-word hosts
    api_key_encrypted = models.TextField(blank=True, editable=False)
    upstream_model = models.CharField(max_length=200, help_text="the model's name at this backend")
    weight = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)])
    max_concurrency = models.PositiveIntegerField(
        null=True, blank=True, help_text="requests at a time from one gateway process; empty: no bound"
    )
    connect_timeout_s = models.FloatField(default=5, validators=[MinValueValidator(0.1), MaxValueValidator(60)])
    first_byte_timeout_s = models.FloatField(null=True, blank=True, validators=_TIMEOUT, help_text="seconds; empty: BACKEND_TIMEOUT_S")
    idle_timeout_s = models.FloatField(
        null=True, blank=True, validators=_TIMEOUT, help_text="seconds between two pieces of an answer; empty: BACKEND_TIMEOUT_S"
    )
    # What we pay for it; both or neither. Changed at will: only sums at present costs are made of them, no bill.
    input_cost_pico = models.BigIntegerField(null=True, blank=True, help_text="pico-USD per input token; empty: not known")
    output_cost_pico = models.BigIntegerField(null=True, blank=True, help_text="pico-USD per output token; empty: not known")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Written by the probe (apps/catalog/probes.py); null until the first probe.
    probe_ok = models.BooleanField(null=True, editable=False)
    probed_at = models.DateTimeField(null=True, editable=False)
    probe_detail = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "base_url"], name="catalog_backend_once"),
            models.CheckConstraint(
                condition=models.Q(input_cost_pico=None, output_cost_pico=None)
                | models.Q(  # comparisons alone would let one null pass
                    input_cost_pico__isnull=False,
                    output_cost_pico__isnull=False,
                    input_cost_pico__gte=0,
                    input_cost_pico__lte=MAX_PRICE_PICO,
                    output_cost_pico__gte=0,
                    output_cost_pico__lte=MAX_PRICE_PICO,
                ),
                name="catalog_backend_cost_range",
            ),
        ]

    @property
    def api_key(self) -> str:
        return decrypt(self.api_key_encrypted, BACKEND_KEY)

    @api_key.setter
    def api_key(self, value: str) -> None:
        """Keeps a key, or none when it is empty. Raises ValidationError for characters that no header may carry."""
        try:
            api_key_validator(value)
        except ValidationError as error:
            raise ValidationError({"api_key": error.messages}) from None
        self.api_key_encrypted = encrypt(value, BACKEND_KEY)

    def __str__(self) -> str:
        return f"{self.model_id}: {self.base_url}"
