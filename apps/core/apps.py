from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        from apps.core.database_functions import load_database_functions

        # `migrate` sends the signal once per app that has models, in order: after the last one every table is there.
        last = [config for config in apps.get_app_configs() if config.models_module][-1]
        post_migrate.connect(load_database_functions, sender=last, dispatch_uid="core.load_database_functions")
