from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "apps.staff"
    label = "staff"

    def ready(self) -> None:
        from apps.staff.jobs import load_jobs
        from apps.staff.roles import load_roles

        post_migrate.connect(load_roles, sender=self, dispatch_uid="staff.load_roles")
        post_migrate.connect(load_jobs, sender=self, dispatch_uid="staff.load_jobs")
