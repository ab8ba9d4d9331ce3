"""Every address of the site: the API's, of managing an account over REST, and the pages. Each is spelled with and without its
trailing slash. A process with SERVE=gateway knows those of api_urls.py alone.
"""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from akashml.api_urls import both, handler400, handler403, handler404, handler429, handler500
from akashml.api_urls import urlpatterns as api
from apps.accounts import security
from apps.accounts.allauth_views import ConfirmEmail
from apps.accounts.profile import profile
from apps.api.budget import Deliveries, OneBudget, RotateSecret, SendTest
from apps.api.credits import Credits, Transactions
from apps.api.inferences import Content, Inference, Inferences
from apps.api.keys import Key, Keys, KeyUsage, RegenerateKey, RevokeKey
from apps.api.presets import DuplicatePreset, ExportPreset, OnePreset, Presets, PresetVersions, RestorePresetVersion
from apps.api.usage import Usage
from apps.api.views import UnknownAddress
from apps.billing.webhook import webhook
from apps.dashboard import (
    account_data,
    alerts,
    billing,
    exports,
    home,
    inference_page,
    kept_texts,
    keys,
    log_page,
    mail_preview,
    payments,
    presets,
    receipts,
    transactions,
    usage_page,
)
from apps.dashboard.catalogue import views as catalogue
from apps.dashboard.catalogue.asking import ask
from apps.dashboard.docs import views as docs
from apps.dashboard.landing import landing
from apps.dashboard.palette import palette
from apps.dashboard.style import style_page
from apps.playground import views as playground
from apps.playground.page import page as playground_page
from apps.staff import status

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # staff log in as everybody does, second factor and all


class PermanentKeepingMethod(HttpResponseRedirect):
    """308: the browser sends the same method and body again."""

    status_code = 308


def add_slash(request: HttpRequest) -> HttpResponse:
    """For the pages of other people's apps, whose own addresses end in a slash."""
    return PermanentKeepingMethod(request.get_full_path(force_append_slash=True))


management: list[URLPattern | URLResolver] = [
    *both("api/v1/keys", Keys.as_view(), "api-v1-keys"),
    *both("api/v1/keys/<int:key_id>", Key.as_view(), "api-v1-key"),
    *both("api/v1/keys/<int:key_id>/regenerate", RegenerateKey.as_view(), "api-v1-regenerate-key"),
    *both("api/v1/keys/<int:key_id>/revoke", RevokeKey.as_view(), "api-v1-revoke-key"),
    *both("api/v1/keys/<int:key_id>/usage", KeyUsage.as_view(), "api-v1-key-usage"),
    *both("api/v1/credits", Credits.as_view(), "api-v1-credits"),
    *both("api/v1/transactions", Transactions.as_view(), "api-v1-transactions"),
    *both("api/v1/usage", Usage.as_view(), "api-v1-usage"),
    *both("api/v1/inferences", Inferences.as_view(), "api-v1-inferences"),
    *both("api/v1/inferences/<uuid:inference_id>", Inference.as_view(), "api-v1-inference"),
    *both("api/v1/inferences/<uuid:inference_id>/content", Content.as_view(), "api-v1-inference-content"),
    *both("api/v1/budget", OneBudget.as_view(), "api-v1-budget"),
    *both("api/v1/budget/rotate-secret", RotateSecret.as_view(), "api-v1-rotate-budget-secret"),
    *both("api/v1/budget/test", SendTest.as_view(), "api-v1-test-budget-webhook"),
    *both("api/v1/budget/deliveries", Deliveries.as_view(), "api-v1-budget-deliveries"),
    *both("api/v1/presets", Presets.as_view(), "api-v1-presets"),
    *both("api/v1/presets/<slug:slug>", OnePreset.as_view(), "api-v1-preset"),
    *both("api/v1/presets/<slug:slug>/duplicate", DuplicatePreset.as_view(), "api-v1-duplicate-preset"),
    *both("api/v1/presets/<slug:slug>/export", ExportPreset.as_view(), "api-v1-export-preset"),
    *both("api/v1/presets/<slug:slug>/versions", PresetVersions.as_view(), "api-v1-preset-versions"),
    *both("api/v1/presets/<slug:slug>/versions/<int:version>/restore", RestorePresetVersion.as_view(), "api-v1-restore-preset-version"),
    re_path(r"^api/v1(?:/[\s\S]*)?\Z", UnknownAddress.as_view()),
]
pages: list[URLPattern | URLResolver] = [
    path("", landing, name="home"),
    *both("dashboard", home.dashboard, "dashboard"),
    *both("dashboard/onboarding", home.onboarding, "onboarding"),
    *both("dashboard/onboarding/key", home.first_key, "first-key"),
    *both("dashboard/onboarding/call", home.first_call_arrived, "first-call"),
    *both("dashboard/onboarding/skip", home.skip_onboarding, "skip-onboarding"),
    *both("settings/api-keys", keys.keys, "api-keys"),
    *both("settings/api-keys/meters", keys.key_meters, "api-key-meters"),
    *both("settings/api-keys/<int:key_id>", keys.key, "api-key"),
    *both("settings/api-keys/<int:key_id>/minute", keys.key_minute, "api-key-minute"),
    *both("settings/api-keys/<int:key_id>/regenerate", keys.key_regenerate, "regenerate-api-key"),
    *both("settings/api-keys/<int:key_id>/revoke", keys.key_revoke, "revoke-api-key"),
    *both("presets", presets.presets, "presets"),
    *both("presets/new", presets.new_preset, "new-preset"),
    *both("presets/import", presets.import_preset, "import-preset"),
    *both("presets/<slug:slug>", presets.preset, "preset"),
    *both("presets/<slug:slug>/edit", presets.edit, "edit-preset"),
    *both("presets/<slug:slug>/export", presets.export, "export-preset"),
    *both("presets/<slug:slug>/duplicate", presets.duplicate, "duplicate-preset"),
    *both("presets/<slug:slug>/default", presets.make_default, "default-preset"),
    *both("presets/<slug:slug>/delete", presets.delete, "delete-preset"),
    *both("presets/<slug:slug>/versions/<int:version>/restore", presets.restore, "restore-preset"),
    *both("usage", usage_page.usage, "usage"),
    *both("usage/export", exports.export_usage, "export-usage"),
    *both("inferences/export", exports.export_log, "export-inferences"),
    *both("inferences", log_page.inferences, "inferences"),
    *both("inferences/new", log_page.new_inferences, "new-inferences"),
    *both("inferences/<uuid:identifier>", inference_page.inference, "inference"),
    *both("inferences/<uuid:identifier>/texts/delete", kept_texts.delete_one, "delete-inference-texts"),
    *both("settings/billing", billing.billing, "billing"),
    *both("settings/billing/transactions.csv", transactions.transactions_csv, "transactions-csv"),
    *both("settings/billing/top-up", payments.top_up, "top-up"),
    *both("settings/billing/top-up/<uuid:attempt>", payments.top_up_state, "top-up-state"),
    *both("settings/billing/auto-top-up", payments.save_auto_top_up, "auto-top-up"),
    *both("settings/billing/auto-top-up/resume", payments.resume_auto_top_up, "resume-auto-top-up"),
    *both("settings/billing/cards", payments.add_card, "add-card"),
    *both("settings/billing/cards/added/<uuid:setup>", payments.card_added, "card-added"),
    *both("settings/billing/cards/<int:card_id>/default", payments.default_card, "default-card"),
    *both("settings/billing/cards/<int:card_id>/remove", payments.remove_card, "remove-card"),
    *both("settings/billing/details", payments.billing_details, "billing-details"),
    *both("settings/billing/receipts/<int:number>", receipts.receipt, "receipt"),
    *both("settings/billing/receipts/<int:number>.pdf", receipts.receipt_pdf, "receipt-pdf"),
    *both("models", catalogue.models, "models"),
    re_path(r"^models/(?P<public_id>[^/\s]+(?:/[^/\s]+)?)/?\Z", catalogue.model, name="model"),
    *both("pricing", catalogue.pricing, "pricing"),
    *both("request-a-model", ask, "ask-for-model"),
    *both("docs", docs.docs, "docs"),
    *both("docs/search", docs.docs_search, "docs-search"),
    *both("docs/api", docs.api_reference, "docs-api"),
    *both("docs/<slug:slug>", docs.docs_page, "docs-page"),
    *both("playground", playground_page, "playground"),
    *both("playground/models", playground.models, "playground-models"),
    *both("playground/conversations", playground.list_or_create, "playground-conversations"),
    *both("playground/conversations/<uuid:identifier>", playground.conversation, "playground-conversation"),
    *both("playground/conversations/<uuid:identifier>/messages", playground.messages, "playground-messages"),
    *both("api/schema", SpectacularAPIView.as_view(), "schema"),
    *both("palette", palette, "palette"),
    *both("stripe/webhook", webhook, "stripe-webhook"),
    *both("status", status.status, "status"),
    *both("style", style_page, "style"),
    *both("style/mails", mail_preview.mails, "mails"),
    *both("style/mails/<slug:kind>", mail_preview.mail, "mail"),
    *both("login", RedirectView.as_view(pattern_name="account_login", query_string=True), "login"),
    re_path(r"^(?:accounts|admin)(?:/[^/\s]+)*\Z", add_slash),
    # allauth's own overviews: ours shows all of it on one page.
    *[path(f"accounts/{address}/", RedirectView.as_view(pattern_name="security")) for address in ("2fa", "2fa/webauthn")],
    path("accounts/confirm-email/", ConfirmEmail.as_view()),
    path("accounts/", include("allauth.urls")),
    *both("settings", RedirectView.as_view(pattern_name="profile"), "settings"),
    *both("settings/profile", profile, "profile"),
    *both("settings/security", security.security, "security"),
    *both("settings/security/sessions/end-others", security.end_other_sessions, "end-other-sessions"),
    *both("settings/security/sessions/<uuid:handle>/end", security.end_session, "end-session"),
    *both("settings/alerts", alerts.alerts, "alerts"),
    *both("settings/alerts/remove", alerts.remove_budget, "remove-budget"),
    *both("settings/alerts/webhook/rotate", alerts.rotate_secret, "rotate-webhook-secret"),
    *both("settings/alerts/webhook/test", alerts.send_test, "send-test-webhook"),
    *both("settings/alerts/webhook/deliveries", alerts.delivery_log, "webhook-deliveries"),
    *both("settings/data", account_data.account_data, "account-data"),
    *both("settings/data/texts/stop", kept_texts.stop, "stop-keeping-texts"),
    *both("settings/data/texts/delete", kept_texts.delete_all, "delete-texts"),
    *both("settings/data/export", account_data.download, "export"),
    *both("settings/data/delete", account_data.delete_account, "delete-account"),
    path("admin/", admin.site.urls),
]

urlpatterns = [*api, *management, *pages]
__all__ = ["handler400", "handler403", "handler404", "handler429", "handler500", "urlpatterns"]  # Django looks for them here
