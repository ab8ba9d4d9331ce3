"""Settings, read from the environment (docs/operations.md lists every variable) and checked while they are read."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from akashml import databases, env, logs, oauth
from akashml.instance import Instance
from akashml.mail import MailServer

BASE_DIR = Path(__file__).resolve().parent.parent

# --- What kind of process this is -------------------------------------------------------------------------------------
ENVIRONMENT = env.choice("ENVIRONMENT", "development", ["development", "production"])
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.flag("DEBUG", False)
SERVE = env.choice("SERVE", "all", ["all", "gateway", "pages"])
MAINTENANCE = env.text("MAINTENANCE")  # what people read in place of every page, e.g. "Back at 14:00 UTC"
INSTANCE = Instance(env.folder("DATA_DIR", BASE_DIR / ".data"))


def _required_in_production(name: str, development: str) -> str:
    value = env.text(name)
    if value:
        return value
    if PRODUCTION:
        raise ImproperlyConfigured(f"{name} is not set: production needs a value of its own for it.")
    return development


def _secret(name: str) -> str:
    """From the environment; in development otherwise one that is made once and kept in DATA_DIR."""
    value = env.text(name)
    if not value:
        return _required_in_production(name, "") or INSTANCE.secret(name.lower())
    if PRODUCTION and len(value) < 32:
        raise ImproperlyConfigured(f"{name} is shorter than 32 characters: make one with `openssl rand -base64 48`.")
    return value


SECRET_KEY = _secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
KEY_PEPPER = _secret("KEY_PEPPER")

# --- Addresses --------------------------------------------------------------------------------------------------------
PORT = env.integer("PORT", 8000, 1, 65535)
BIND_ADDRESS = env.ip_address("BIND_ADDRESS", "127.0.0.1")  # where `make run` listens; 0.0.0.0 in a container
BASE_URL = (_required_in_production("BASE_URL", "") and env.url("BASE_URL", "", ["http", "https"])) or f"http://127.0.0.1:{PORT}"
API_BASE_URL = env.url("API_BASE_URL", BASE_URL, ["http", "https"])
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1],testserver")
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts of this site in production (a list separated by commas, no '*').")
CSRF_FAILURE_VIEW = "apps.dashboard.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = sorted({BASE_URL})
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")
# __Host-: no other host of the domain can plant such a cookie. Without TLS, instances on one machine that differ only by their
# port share the browser's cookies, so the port is part of the name.
SESSION_COOKIE_NAME = "__Host-sessionid" if SESSION_COOKIE_SECURE else f"sessionid_{urlsplit(BASE_URL).port or 80}"
CSRF_COOKIE_NAME = "__Host-csrftoken" if SESSION_COOKIE_SECURE else "csrftoken"
SESSION_COOKIE_HTTPONLY, SESSION_COOKIE_SAMESITE = True, "Lax"
SECURE_HSTS_SECONDS = 365 * 86_400 if PRODUCTION and BASE_URL.startswith("https://") else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
FORM_TARGETS = [
    *env.words("FORM_TARGETS"),
    *oauth.bases().values(),
]  # origins that forms may lead to, besides those of Stripe, Google and GitHub

# --- The gateway ------------------------------------------------------------------------------------------------------
LEASE_S = env.seconds("LEASE_S", 15, 2, 300)
BACKEND_TIMEOUT_S = env.seconds("BACKEND_TIMEOUT_S", 120, 0.1, 3600)
ALLOW_PRIVATE_BACKENDS = env.flag("ALLOW_PRIVATE_BACKENDS", not PRODUCTION)
ALLOW_PRIVATE_WEBHOOKS = env.flag("ALLOW_PRIVATE_WEBHOOKS", not PRODUCTION)  # webhooks of customers, to private addresses and by http
MAX_REQUEST_BYTES = env.integer("MAX_REQUEST_BYTES", 20_000_000, 1_000, 1_000_000_000)
MAX_BUFFERED_BYTES = env.integer("MAX_BUFFERED_BYTES", 500_000_000, 1_000_000, 1_000_000_000_000)  # of all bodies that a process holds
if MAX_BUFFERED_BYTES < MAX_REQUEST_BYTES:
    raise ImproperlyConfigured("MAX_BUFFERED_BYTES is below MAX_REQUEST_BYTES: not one such request could be read.")
BODY_TIMEOUT_S = env.seconds("BODY_TIMEOUT_S", 60, 0.1, 3600)
CLIENT_IDLE_S = env.seconds("CLIENT_IDLE_S", 60, 0.1, 3600)
JOURNAL_MAX_BYTES = env.integer("JOURNAL_MAX_BYTES", 64_000_000, 10_000, 100_000_000_000)
PING_EVERY_S = env.seconds("PING_EVERY_S", 10, 0.1, 600)  # signs of life in streams of a dialect that knows them, while a backend is silent
COUNT_TOKENS_RPM = env.integer("COUNT_TOKENS_RPM", 3_000, 1, 1_000_000)  # how often a key may count tokens, in each process
METRICS_TOKEN = env.text("METRICS_TOKEN")  # for /metrics from other machines; empty: from this one only
TRACES = bool(env.text("OTEL_EXPORTER_OTLP_ENDPOINT") or env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
DRAIN_S = env.seconds("DRAIN_S", 15, 0, 600)
PLAYGROUND_GRACE_S = env.seconds("PLAYGROUND_GRACE_S", 10, 0, 600)  # an answer goes on for so long after its page lost the connection
LOG_RETENTION_MONTHS = env.integer("LOG_RETENTION_MONTHS", 0, 0, 1200)  # whole months of the inference log that are kept; 0: all
CORS_ORIGINS = env.words("CORS_ORIGINS")  # web pages of these origins may call the API from a browser; * for any
for _origin in CORS_ORIGINS:
    if _origin != "*" and (not _origin.startswith(("http://", "https://")) or _origin.count("/") != 2):
        raise ImproperlyConfigured(f"CORS_ORIGINS: {_origin!r} is not an origin such as https://app.example.com (or *).")
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, 0, 10)  # how many X-Forwarded-For hops in front of us are ours

# --- Money ------------------------------------------------------------------------------------------------------------
TRIAL_CREDIT_USD = env.usd("TRIAL_CREDIT_USD", "5")
TRIAL_CREDIT_DAYS = env.integer("TRIAL_CREDIT_DAYS", 30, 0, 3650)  # 0: it does not expire
TOPUP_MIN_USD = env.usd("TOPUP_MIN_USD", "5")
TOPUP_MAX_USD = env.usd("TOPUP_MAX_USD", "1000")
if TOPUP_MIN_USD > TOPUP_MAX_USD:
    raise ImproperlyConfigured("TOPUP_MIN_USD is above TOPUP_MAX_USD.")
if not (0.5 <= TOPUP_MIN_USD == round(TOPUP_MIN_USD, 2) and TOPUP_MAX_USD == round(TOPUP_MAX_USD, 2) < 1_000_000):
    raise ImproperlyConfigured("TOPUP_MIN_USD and TOPUP_MAX_USD are whole cents from 0.50 to 999999.99, which is what Stripe takes.")
LOW_BALANCE_USD = env.usd("LOW_BALANCE_USD", "1")  # below it a mail is sent, once until the account is topped up; 0: never


def _stripe(name: str) -> str:
    """From the environment; in development otherwise what the runner wrote down of the simulator that it started."""
    return env.text(name) or ("" if PRODUCTION or env.text("STRIPE_SECRET_KEY") else INSTANCE.recall(name.lower()))


# Without STRIPE_SECRET_KEY nobody is offered to pay, and nobody is asked for a card.
STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET = _stripe("STRIPE_SECRET_KEY"), _stripe("STRIPE_WEBHOOK_SECRET")
STRIPE_API_BASE = env.url("STRIPE_API_BASE", _stripe("STRIPE_API_BASE"), ["http", "https"])  # empty: Stripe itself
STRIPE_LIVE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
if STRIPE_SECRET_KEY and not STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_", "sk_test_", "rk_test_")):
    raise ImproperlyConfigured("STRIPE_SECRET_KEY is not a secret key of Stripe: it starts with sk_live_, rk_live_, sk_test_ or rk_test_.")
if bool(STRIPE_SECRET_KEY) != bool(STRIPE_WEBHOOK_SECRET):
    raise ImproperlyConfigured("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together: without the latter no webhook can be trusted.")
if PRODUCTION and STRIPE_SECRET_KEY and not STRIPE_LIVE:
    raise ImproperlyConfigured(
        "STRIPE_SECRET_KEY is a key of Stripe's test mode, in which anybody tops up for nothing: production takes a live key (sk_live_…). "
        "Try test mode with ENVIRONMENT=development."
    )
STRIPE_TIMEOUT_S = env.seconds("STRIPE_TIMEOUT_S", 20, 0.1, 80)
if STRIPE_LIVE and STRIPE_API_BASE:
    raise ImproperlyConfigured("STRIPE_API_BASE is for a simulator: a live key is sent to Stripe alone.")

# --- Postgres and Valkey ----------------------------------------------------------------------------------------------
DATABASE_URL = env.url("DATABASE_URL", _required_in_production("DATABASE_URL", INSTANCE.database_url), ["postgres", "postgresql"])
REDIS_URL = env.url("REDIS_URL", _required_in_production("REDIS_URL", INSTANCE.redis_url), ["redis", "rediss", "unix"])
POSTGRES_ENDS = databases.ENDS
DATABASES = {"default": databases.postgres(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "apps.core.cache.FailoverCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
# redis-py 8 times blocking reads out unless told otherwise, and the channel layer lives on blocking reads.
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]}}
}
# Celery's spelling of a unix socket: another scheme, and another name for the number of the database.
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=") if REDIS_URL.startswith("unix://") else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "expire-credit": {"task": "billing.expire_credit", "schedule": 60},
    "charge-due": {"task": "billing.charge_due", "schedule": 3, "options": {"expires": 3}},
    "go-on-with-payments": {"task": "billing.go_on", "schedule": 10, "options": {"expires": 10}},
    "watch-accounts": {"task": "billing.watch", "schedule": 60, "options": {"expires": 60}},
    "reconcile-payments": {"task": "billing.reconcile", "schedule": 3600, "options": {"expires": 3600}},
    "fold-log": {"task": "usage.fold", "schedule": 10, "options": {"expires": 10}},
    "watch-platform": {"task": "staff.watch", "schedule": 30, "options": {"expires": 30}},
    "check-ledger": {"task": "staff.check_ledger", "schedule": 6 * 3600, "options": {"expires": 3600}},
    "fold-platform": {"task": "usage.fold_platform", "schedule": 15, "options": {"expires": 15}},
    "watch-budgets": {"task": "budgets.watch", "schedule": 10, "options": {"expires": 10}},
    "deliver-webhooks": {"task": "budgets.deliver", "schedule": 5, "options": {"expires": 5}},
    "forget-old-webhooks": {"task": "budgets.forget_old", "schedule": 3600},
    "drop-old-months": {"task": "usage.drop_old_months", "schedule": 3600},
    "delete-expired-texts": {"task": "texts.delete_expired", "schedule": 600, "options": {"expires": 600}},
    "sweep-playground": {"task": "playground.sweep", "schedule": 60, "options": {"expires": 60}},
    "clear-out-accounts": {"task": "accounts.clear_out", "schedule": 3600},
}

# --- Django -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Makes `runserver` speak ASGI. Every other process is spared its import, a sixth of all it would load.
    *(["daphne"] if "runserver" in sys.argv else []),
    "apps.staff.admin_config.StaffAdminConfig",  # Django's, with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",  # its templates: FORM_RENDERER looks for widgets where it looks for pages
    "rest_framework",
    "drf_spectacular",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "apps.core",
    "apps.audit",
    "apps.accounts",
    "apps.catalog",
    "apps.api_keys",
    "apps.billing",
    "apps.usage",
    "apps.presets",
    "apps.texts",
    "apps.budgets",
    "apps.gateway",
    "apps.api",
    "apps.playground",
    "apps.dashboard",
    "apps.staff",
]
MIDDLEWARE = [
    "apps.core.middleware.ApiMiddleware",
    "apps.core.compression.CompressedPages",
    "apps.core.page_headers.PageHeaders",
    "apps.dashboard.middleware.ProblemPages",
    "django.middleware.security.SecurityMiddleware",
    "apps.accounts.middleware.SealedSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.accounts.middleware.UserMiddleware",
    "apps.accounts.middleware.AccountMiddleware",
    "apps.staff.viewing.ViewingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.core.htmx.MessagesInHtmxAnswers",
    "apps.core.htmx.LogInFromHtmx",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
FORM_RENDERER = "apps.core.forms.PageRenderer"
ROOT_URLCONF = "akashml.api_urls" if SERVE == "gateway" else "akashml.urls"
ASGI_APPLICATION = "akashml.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
APPEND_SLASH = False  # both spellings of every address are routes of their own: a redirect would lose a POST
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "apps.core.static_files.VersionedStorage"},
}
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # e-mail is unique by a constraint on its lower case, which the check cannot see
    "security.W005",  # other hosts of the domain are not ours to bind to https,
    "security.W021",  # nor to enter in browsers' lists
    "security.W008",  # the proxy redirects to https: what it passes on, probes and machines of the inside come without
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
PASSWORD_HASHERS = [
    "apps.accounts.hashers.PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # what was stored before; replaced at the next log-in
]
LOGIN_REDIRECT_URL = "/dashboard"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "apps.accounts.session_store"
SESSION_COOKIE_AGE = 30 * 24 * 3600  # seconds since the last use, to a day

# --- Accounts (allauth) -----------------------------------------------------------------------------------------------
ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "apps.accounts.forms.LoginForm",
    "signup": "apps.accounts.forms.SignupForm",
    "confirm_email_verification_code": "apps.accounts.forms.ConfirmEmailForm",
    "add_email": "apps.accounts.forms.ChangeEmailForm",
    "change_password": "apps.accounts.forms.ChangePasswordForm",
    "set_password": "apps.accounts.forms.SetPasswordForm",
    "reset_password": "apps.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "apps.accounts.forms.ResetPasswordKeyForm",
    "reauthenticate": "apps.accounts.forms.PasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_DISPLAY = "apps.accounts.queries.display_name"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True  # why not a link: docs/decisions/0014
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 5  # times
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 8, "dashed": True}
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = ACCOUNT_LOGIN_TIMEOUT = 30 * 60
ACCOUNT_CHANGE_EMAIL = True  # one address a user: a new one takes the old one's place once it is verified
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of what an intruder would do
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(BASE_URL).scheme
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
ACCOUNT_SESSION_REMEMBER = True
PASSWORD_RESET_TIMEOUT = 60 * 60
# By address (ip) and by the e-mail address that is typed (key), whether anybody has it or not.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,100/d/ip,5/5m/key",
    "signup": "20/m/ip,100/d/ip",
    "confirm_email": "1/10s/key,10/h/key",
    "reset_password": "20/m/ip,2/m/key,6/h/key",
    "ask_for_model": "5/h/ip,20/d/ip",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "apps.accounts.adapters.MfaAdapter"
MFA_FORMS = {
    "authenticate": "apps.accounts.forms.AuthenticateForm",
    "reauthenticate": "apps.accounts.forms.ReauthenticateForm",
    "activate_totp": "apps.accounts.forms.ActivateTotpForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SESSION_COOKIE_SECURE  # http://localhost, in development
MFA_TOTP_ISSUER = "AkashML"
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before or after is good; forms.py sees to it that none is used twice
SOCIALACCOUNT_FORMS = {"signup": "apps.accounts.forms.SocialSignupForm"}
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAdapter"
# Who proves an address at Google or GitHub is logged in to the account of that address (docs/decisions/0014).
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True

SOCIALACCOUNT_PROVIDERS = oauth.providers()

# --- Staff ------------------------------------------------------------------------------------------------------------
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", PRODUCTION)  # whether the admin site opens only to who has one
if PRODUCTION and not STAFF_SECOND_FACTOR:
    raise ImproperlyConfigured("STAFF_SECOND_FACTOR=0 is for development: in production staff need a second factor.")
# Whom to tell of trouble (apps/staff/incidents.py): addresses, and a webhook whose body is signed under the secret, if there is one.
OPERATOR_ALERT_EMAILS = env.words("OPERATOR_ALERT_EMAILS")
OPERATOR_ALERT_WEBHOOK = env.url("OPERATOR_ALERT_WEBHOOK", "", ["http", "https"])
OPERATOR_ALERT_SECRET = env.text("OPERATOR_ALERT_SECRET")
OPERATOR_ALERT_WRITE_OFF_USD = env.usd("OPERATOR_ALERT_WRITE_OFF_USD", "1")  # written off within an hour, above which it is trouble
for _address in OPERATOR_ALERT_EMAILS:
    if "@" not in _address:
        raise ImproperlyConfigured(f"OPERATOR_ALERT_EMAILS: {_address!r} is not an e-mail address.")
STAFF_SMALL_GRANT_USD = env.usd("STAFF_SMALL_GRANT_USD", "10")  # what support may grant an account within 24 hours, each of them

# --- Receipts ---------------------------------------------------------------------------------------------------------
SELLER_NAME = env.text("SELLER_NAME", "AkashML")  # who sells, as it stands on receipts
SELLER_ADDRESS = [line.strip() for line in env.text("SELLER_ADDRESS").split("|")]  # its lines
SELLER_TAX_ID = env.text("SELLER_TAX_ID")
SELLER_FOOTNOTE = env.text("SELLER_FOOTNOTE")  # such as what the law wants to be said about tax

# --- Mail -------------------------------------------------------------------------------------------------------------
EMAIL_URL = env.url("EMAIL_URL", "", ["smtp", "smtp+tls", "smtps"])
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend" if EMAIL_URL else "akashml.mail.FileBackend"
EMAIL_FILE_PATH = str(INSTANCE.mail_dir)
_mail = MailServer.parse(EMAIL_URL or "smtp://localhost")
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.host, _mail.port, _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.tls, _mail.ssl
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.sender or f"noreply@{urlsplit(BASE_URL).hostname}"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "AkashML API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # the version whose schemas are JSON Schema, which is what msgspec writes
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["apps.api.schema.one_spelling"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "apps.api.descriptions.described"],
}

LOGGING = logs.configuration(
    line_format=env.choice("LOG_FORMAT", "lines", ["lines", "json"]),
    level=env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"]),
)
