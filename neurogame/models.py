"""Records of the running installation itself."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class JobWorker(models.Model):
    """A process that runs background jobs; it renews `seen_at` while it lives."""

    id = models.CharField(_("worker"), max_length=64, primary_key=True)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started at"))
    seen_at = models.DateTimeField(_("seen at"), db_index=True)

    class Meta:
        verbose_name = _("job worker")
        verbose_name_plural = _("job workers")
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
