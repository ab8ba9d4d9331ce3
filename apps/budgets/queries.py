"""Reading budgets."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.budgets.models import Alert, Budget, Delivery


def budget_of(account_id: int) -> Budget | None:
    return Budget.objects.filter(pk=account_id).first()


def deliveries_of(account_id: int) -> QuerySet[Delivery]:
    """Newest first."""
    return Delivery.objects.filter(account_id=account_id).order_by("-pk")


def alerts_of(account_id: int) -> QuerySet[Alert]:
    """The thresholds that were reached, newest first."""
    return Alert.objects.filter(account_id=account_id).order_by("-pk")
