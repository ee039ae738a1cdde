"""How requests for files and for addresses without their slash end: never as a crash."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import MissingFileError

from neurogame.problems import not_found


class StaticMiddleware(ServeStaticMiddleware):
    """ServeStatic, which in development raises for a file that is not there: here it is a 404."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return await super().__call__(request)
        except MissingFileError:
            return not_found(request)


class SlashMiddleware(CommonMiddleware):
    """Sends readers on to the address with its slash; what was posted cannot follow: a 404."""

    def should_redirect_with_slash(self, request: HttpRequest) -> Any:
        return request.method in ("GET", "HEAD") and super().should_redirect_with_slash(request)
