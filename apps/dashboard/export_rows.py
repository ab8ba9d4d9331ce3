"""What a user has besides money, as it stands in their export. Fields are called as in the management API."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.forms.models import model_to_dict

from apps.accounts.models import Account, AccountStatus, User
from apps.accounts.queries import sessions_of
from apps.accounts.user_agents import describe
from apps.billing.receipts import FIELDS, details_of
from apps.dashboard.models import ModelRequest
from apps.presets.models import Content, Preset, PresetVersion
from apps.texts.models import KeptText
from apps.texts.sealing import unseal
from apps.usage.models import Inference
from apps.usage.public_fields import inference_fields


def user_section(user: User, account: Account) -> dict[str, Any]:
    connections = SocialAccount.objects.filter(user=user).order_by("pk")
    factors = Authenticator.objects.filter(user=user).order_by("pk")
    return {
        "email": user.email,
        "name": user.name,
        "joined_at": user.date_joined,
        "last_login_at": user.last_login,
        "connected_accounts": [{"provider": one.provider, "uid": one.uid, "profile": one.extra_data} for one in connections],
        "second_factors": [
            {"type": one.get_type_display(), "added_at": one.created_at, "last_used_at": one.last_used_at} for one in factors
        ],
    }


def account_section(user: User, account: Account) -> dict[str, Any]:
    return {
        "id": account.pk,
        "name": account.name,
        "status": AccountStatus(account.status).name.lower(),
        "time_zone": account.time_zone,
        "keep_days": account.keep_days,
        "billing_details": model_to_dict(details_of(account), FIELDS),
        "created_at": account.created_at,
    }


def sessions_section(user: User, account: Account) -> list[dict[str, Any]]:
    return [
        {"device": describe(one.user_agent), "address": one.address, "created_at": one.created_at, "last_seen_at": one.last_seen_at}
        for one in sessions_of(user)
    ]


def preset_line(row: Preset) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "is_default": row.is_default,
        "version": row.version,
        **_content(row),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def preset_version_line(row: PresetVersion) -> dict[str, Any]:
    return {"preset": row.preset.slug, "version": row.version, **_content(row), "replaced_at": row.replaced_at}


def _content(row: Content) -> dict[str, Any]:
    return {"model": row.model, "parameters": row.fields, "system_prompt": row.system_prompt}


def kept_text_line(row: KeptText) -> dict[str, Any]:
    text = unseal(row.sealed)
    return {
        "inference": row.pk,
        "request": text.request if text else None,
        "request_cut": text.request_cut if text else None,
        "answer": text.answer if text else None,
        "answer_cut": text.answer_cut if text else None,
        "kept_at": row.kept_at,
        "expires_at": row.expires_at,
    }


def inference_line(row: Inference, names: dict[int, str], last4: dict[int, str]) -> dict[str, Any]:
    return {
        **inference_fields(row),
        "model": names.get(row.model_id),
        "key_last4": last4.get(row.api_key_id) if row.api_key_id else None,
        "created_at": row.admitted_at,
    }


def model_request_line(row: ModelRequest) -> dict[str, Any]:
    return {"model": row.name, "purpose": row.purpose, "email": row.email, "created_at": row.created_at}
