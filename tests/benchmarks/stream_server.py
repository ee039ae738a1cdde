"""The product as it is served, with one interview and a thread that publishes on its channel.

    python -m tests.benchmarks.stream_server PORT FILE

writes the session and an access token of its candidate to FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path

import django

django.setup()


def main(port: int, where: Path) -> None:
    from django.conf import settings
    from rest_framework_simplejwt.tokens import RefreshToken

    from interviews import flow
    from interviews.channels import channel_of, publish
    from interviews.models import User
    from neurogame.asgi import application
    from neurogame.server import serve
    from tests.benchmarks.ticker import tick_when_told

    user = User.objects.create_user(nickname="listener", password="a long benchmark password")
    session, _started = flow.start(
        user,
        terms={"track": "backend", "level": "junior", "locale": "en"},
        consent=flow.ConsentGiven(version="benchmark"),
    )
    where.write_text(f"{session.pk} {RefreshToken.for_user(user).access_token}")
    channel = channel_of(session.pk)
    tick_when_told(lambda at: publish(channel, "tick", {"at": at}))
    serve(application, host="127.0.0.1", port=port, body_limits=settings.BODY_LIMITS)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
