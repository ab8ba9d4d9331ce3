"""Staff pages for users and accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.admin import SocialAccountAdmin
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
    rights = ("is_superuser", "user_permissions")
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only who may do everything gives that right away; others give roles."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *self.rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    @admin.action(description="Remove second factors and sign out everywhere", permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """For whoever has lost phone, passkeys and recovery codes. Noted in the user's history, and mailed to them."""
        for user in users:
            if not self.has_change_permission(request, user):
                self.message_user(request, f"{user.email} may do everything: only who may too can do that.", messages.ERROR)
                return
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
    """Never deleted: its ledger stays. It is suspended at its desk (apps/staff/account_page.py), where a reason is asked for."""

    list_display = ("name", "desk", "id", "status", "time_zone", "created_at")
    list_filter = ("status",)
    search_help_text = "Its number (#12), a member's e-mail address, or the beginning of its name."
    account_column = "id"
    readonly_fields = ("status", "created_at")
    inlines = (MembershipInline,)

    @admin.display(description="")
    def desk(self, account: Account) -> SafeString:
        return format_html('<a href="{}">Open desk</a>', reverse("admin:account-desk", args=[account.pk]))

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return False

    def lookups(self, term: str) -> list[dict[str, Any]]:
        return [*super().lookups(term), {"name__istartswith": term}]
