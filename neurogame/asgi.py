"""The ASGI application: the request log around Django."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neurogame.settings")
django_application = get_asgi_application()

from neurogame.checks import refuse_unsafe_production  # noqa: E402 - needs the loaded apps
from neurogame.direct import Direct  # noqa: E402
from neurogame.requestlog import RequestLog  # noqa: E402

refuse_unsafe_production()
application = RequestLog(Direct(django_application))
