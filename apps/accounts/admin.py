"""Staff pages for users and accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.admin import SocialAccountAdmin
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.models import Account, Membership, Session, User
from apps.accounts.staff_search import AccountTable
from apps.audit.staff_pages import Audited

# These show secrets, or are set by the environment, or are set by the code (roles); or come again below, with an audit trail.
admin.site.unregister((Authenticator, SocialApp, SocialToken, Group, EmailAddress, SocialAccount))


@admin.register(EmailAddress)
class AddressAdmin(Audited, EmailAddressAdmin):
    show_full_result_count = False


@admin.register(SocialAccount)
class ConnectionAdmin(Audited, SocialAccountAdmin):
    show_full_result_count = False


class UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class UserAdmin(Audited, DjangoUserAdmin):
    show_full_result_count = False
    add_form = UserCreationForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("-date_joined",)
    readonly_fields = ("date_joined", "last_login")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("date_joined", "last_login")}),
    )
    actions = ("remove_second_factors",)
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    @admin.action(description="Remove second factors and sign out everywhere", permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """For whoever has lost phone, passkeys and recovery codes. Noted in the user's history, and mailed to them."""
        for user in users:
            with transaction.atomic():
                Authenticator.objects.filter(user=user).delete()
                Session.objects.filter(user=user).delete()
                self.log_change(request, user, "Removed second factors and signed out everywhere.")
            get_adapter(request).send_mail("account/email/second_factors_removed", user.email, {})
        self.message_user(request, f"Done for {len(users)}: they log in with their password alone.")


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    raw_id_fields = ("user",)


@admin.register(Account)
class AccountAdmin(AccountTable):
    """An account is suspended here, never deleted: its ledger stays."""

    list_display = ("name", "id", "status", "time_zone", "created_at")
    list_filter = ("status",)
    search_help_text = "Its number (#12), a member's e-mail address, or the beginning of its name."
    account_column = "id"
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return False

    def lookups(self, term: str) -> list[dict[str, Any]]:
        return [*super().lookups(term), {"name__istartswith": term}]
