from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Django's admin, with our site as the one that apps register with. Not in apps.py, which has an AppConfig of its own."""

    default_site = "apps.staff.site.StaffSite"
