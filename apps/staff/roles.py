"""The roles of staff and what each may do. Loaded after every `migrate`: the code says it, and nobody edits it elsewhere.

Superusers may do everything; `manage.py create_account --staff` makes one. Whoever has a role needs `is_staff` as well.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

READERS_OF = {
    "accounts": {"account", "user", "membership"},
    "account": {"emailaddress"},
    "socialaccount": {"socialaccount"},
    "api_keys": {"apikey"},
    "billing": {"creditpool", "ledgertransaction", "posting", "writeoff", "payment", "reversal", "stripeevent", "receipt", "debt", "autotopup", "paymentmethod", "notice"},
    "catalog": {"model", "price", "backend"},
    "usage": {"inference"},
    "dashboard": {"modelrequest"},
}  # fmt: skip
READ = {f"{app}.view_{model}" for app, models in READERS_OF.items() for model in models} | {"staff.view_as"}
TRAIL = {"audit.view_entry", "staff.see_operations", "staff.view_incident", "staff.view_job"}
FINANCE = {"billing.add_creditpool", "billing.add_reversal", "staff.grant", "staff.refund", "staff.replay", "staff.suspend"}
OPERATOR = {
    "catalog.add_model", "catalog.change_model", "catalog.add_price", "catalog.add_backend", "catalog.change_backend",
    "api_keys.change_apikey", "staff.run_backends", "staff.replay", "staff.suspend",
    "dashboard.change_modelrequest",
}  # fmt: skip
ADMIN = {
    "accounts.add_user", "accounts.change_user", "accounts.change_account", "accounts.add_membership", "accounts.change_membership",
    "accounts.delete_membership", "account.add_emailaddress", "account.change_emailaddress", "account.delete_emailaddress",
    "socialaccount.delete_socialaccount", "catalog.delete_backend",
}  # fmt: skip
ROLES: dict[str, set[str]] = {
    "support": READ | {"staff.grant_small"},
    "finance": READ | TRAIL | FINANCE,
    "operator": READ | TRAIL | OPERATOR,
    "admin": READ | TRAIL | FINANCE | OPERATOR | ADMIN,
}


def load_roles(using: str = "default", **_: Any) -> None:
    """Makes each role's group have exactly these permissions. Raises RuntimeError for one that there is not."""
    from django.contrib.auth.models import Group, Permission

    ids = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.using(using).values_list("pk", "content_type__app_label", "codename")
    }
    with transaction.atomic(using=using):
        for name, permissions in ROLES.items():
            if unknown := permissions - ids.keys():
                raise RuntimeError(f"roles.py names permissions that there are not: {', '.join(sorted(unknown))}")
            group, _created = Group.objects.using(using).get_or_create(name=name)
            group.permissions.set(ids[permission] for permission in permissions)
