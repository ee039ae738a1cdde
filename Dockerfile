# syntax=docker/dockerfile:1
# Three images from one file:  web (also the worker), runner (web, and the languages of the tasks) and
# sandbox (those languages alone: what containers of SANDBOX=docker are made from).

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /venv
COPY requirements.txt /tmp/
RUN /venv/bin/python -m pip install -r /tmp/requirements.txt
WORKDIR /app
COPY . .
# What is made once: compiled catalogues and the static files under their hashed names.
RUN /venv/bin/python -m neurogame.bootstrap.catalogues \
    && DEBUG=0 NEUROGAME_ENV_FILE=none NEUROGAME_DB_PATH=/tmp/none.sqlite3 \
        /venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && /venv/bin/python -m compileall -q /app /venv

FROM python:3.12-slim AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DEBUG=0 NEUROGAME_ENV_FILE=none NEUROGAME_DB_PATH=/data/neurogame.sqlite3
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin neurogame \
    && install -d -o neurogame -g neurogame /data
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER neurogame

FROM base AS runner
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        default-jdk-headless g++ gcc golang-go libc6-dev nodejs npm rustc \
    && npm install --global --silent typescript@7.0.2 \
    && apt-get purge -y npm && apt-get autoremove -y \
    && rm -rf /var/lib/apt/lists/* /root/.npm
USER neurogame
CMD ["python", "manage.py", "runner"]

FROM runner AS sandbox-files
USER root
RUN python manage.py sandbox_image /image

FROM scratch AS sandbox
COPY --from=sandbox-files /image /
USER 65534:65534

FROM base AS web
EXPOSE 8000
VOLUME /data
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "neurogame.bootstrap.healthcheck"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--grace", "25"]
