"""How staff find what belongs to an account, in tables of any size."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from apps.accounts.models import Membership
from apps.audit.staff_pages import BigTable, number_of


class AccountTable(BigTable):
    """A staff page of rows that have an account: found by its number, by a member's e-mail address, or by an exact text of their own."""

    account_column = "account_id"
    exact_columns: tuple[str, ...] = ()
    search_help_text = "An account's number (#12), a member's e-mail address, or an exact id."

    def lookups(self, term: str) -> list[dict[str, Any]]:
        if "@" in term:
            return [{f"{self.account_column}__in": accounts_of_email(term)}]
        number = number_of(term)
        by_account = [{self.account_column: number}] if number is not None else []
        return [*by_account, *(found for column in self.exact_columns if (found := self.exact(column, term)))]

    def exact(self, column: str, term: str) -> dict[str, Any]:
        """The lookup for a column, or none where it can never hold such a value."""
        try:
            return {column: self.model._meta.get_field(column).to_python(term)}
        except (ValueError, ValidationError):
            return {}


def accounts_of_email(email: str) -> list[int]:
    """The ids of the accounts that the user of an address is a member of."""
    return list(Membership.objects.filter(user__email__iexact=email.strip()).values_list("account_id", flat=True))
