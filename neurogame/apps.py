from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class NeurogameConfig(AppConfig):
    name = "neurogame"
    verbose_name = "Neurogame"

    def ready(self) -> None:
        from neurogame import checks  # noqa: F401 - registers the system checks


class NeurogameAdminConfig(AdminConfig):
    default_site = "neurogame.admin_site.NeurogameAdminSite"
