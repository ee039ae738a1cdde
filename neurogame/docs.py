"""`/api/docs`: the schema, shown by Swagger UI from our own static files."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.csp import CSP
from django.utils.decorators import method_decorator
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView

# Swagger UI styles its widgets inline and draws its icons from data: URLs.
DOCS_CSP: dict[str, Any] = {**settings.SECURE_CSP, "style-src": [CSP.SELF, CSP.UNSAFE_INLINE]}


@method_decorator(csp_override(DOCS_CSP), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    permission_classes = []
    authentication_classes = []
    url_self = None


docs = require_safe(DocsView.as_view(url_name="schema"))
