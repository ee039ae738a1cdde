"""Settings of Neurogame, all of them from the environment (see `.env.server.example`).

`.env` in the project root is read first; real environment variables win.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from neurogame.requestlog import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(environ.Env):
    """An empty variable counts as not set."""

    def get_value(  # type: ignore[no-untyped-def]
        self, var, cast=None, default=environ.Env.NOTSET, parse_default=False
    ):
        if not os.environ.get(var, "").strip():
            return default
        return super().get_value(var, cast=cast, default=default, parse_default=parse_default)


env = Environment()
if os.environ.get("NEUROGAME_ENV_FILE", "") != "none":
    environ.Env.read_env(BASE_DIR / ".env", overwrite=False)


def text(name: str, default: str = "") -> str:
    """An environment variable as text; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def words(name: str) -> list[str]:
    return [word.strip() for word in text(name).split(",") if word.strip()]


def mailer(url: str) -> dict[str, object]:
    """An entry of MAILERS from a URL: `smtp+tls://user:password@host:587`, `consolemail://`."""
    config = env.email_url_config(url)
    names = {
        "EMAIL_HOST": "host",
        "EMAIL_PORT": "port",
        "EMAIL_HOST_USER": "username",
        "EMAIL_HOST_PASSWORD": "password",
        "EMAIL_USE_TLS": "use_tls",
        "EMAIL_USE_SSL": "use_ssl",
        "EMAIL_FILE_PATH": "file_path",
    }
    options = {option: config[name] for name, option in names.items() if config.get(name)}
    if config["EMAIL_BACKEND"].endswith(".smtp.EmailBackend"):
        options["timeout"] = 10
    backend = str(config["EMAIL_BACKEND"]).replace(
        "django.core.mail.backends.console.EmailBackend", "neurogame.mail.ConsoleBackend"
    )
    return {"BACKEND": backend, "OPTIONS": options}


# --- The server ---------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=True)
DEFAULT_SECRET_KEY = "development-only-secret-key-change-me-before-anyone-else-sees-this"  # noqa: S105
SECRET_KEY = text("SECRET_KEY", DEFAULT_SECRET_KEY)
PORT = env.int("PORT", default=8000)
PUBLIC_URL = text("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = words("ALLOWED_HOSTS") or [
    "127.0.0.1",
    "localhost",
    "[::1]",
    *([_public.hostname] if _public.hostname else []),
]
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
OPEN_SESSIONS = env.bool("OPEN_SESSIONS", default=DEBUG)

CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_REDIRECT_EXEMPT = [r"^health$"]
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

# --- Applications ---------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "neurogame.apps.NeurogameAdminConfig",
    "neurogame.apps.NeurogameConfig",
    "interviews",
    "telemetry",
    "tasks",
    "leaderboard",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_eventstream",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "import_export",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_tasks_db",
    "servestatic",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "neurogame.assets.StaticMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "neurogame.problems.ProblemMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "neurogame.assets.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "neurogame.requestlog.request_user_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "neurogame.urls"
ASGI_APPLICATION = "neurogame.asgi.application"
CSRF_FAILURE_VIEW = "neurogame.problems.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database, cache, bus -------------------------------------------------------------------

URL_DATABASE = text("URL_DATABASE")
NEUROGAME_DB_PATH = Path(text("NEUROGAME_DB_PATH", str(BASE_DIR / "data" / "neurogame.sqlite3")))
if not NEUROGAME_DB_PATH.is_absolute():
    NEUROGAME_DB_PATH = BASE_DIR / NEUROGAME_DB_PATH
if URL_DATABASE:
    DATABASES = {"default": env.db_url_config(URL_DATABASE)}
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 20, "timeout": 10}}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
else:
    NEUROGAME_DB_PATH.parent.mkdir(parents=True, exist_ok=True)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": NEUROGAME_DB_PATH,
            "OPTIONS": {
                "timeout": 10,
                "transaction_mode": "IMMEDIATE",
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                    "PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;"
                ),
            },
            # A file, not memory: tests use threads, each with a connection of its own.
            "TEST": {"NAME": text("NEUROGAME_TEST_DB", str(NEUROGAME_DB_PATH) + ".test")},
        }
    }

REDIS_URL = text("REDIS_URL")
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "neurogame",
            "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
        }
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": "neurogame"},
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

EVENTSTREAM_STORAGE_CLASS = "interviews.channels.RingStorage"
EVENTSTREAM_CHANNELMANAGER_CLASS = "interviews.channels.SessionChannelManager"

TASKS = {
    "default": {
        "BACKEND": "django_tasks_db.DatabaseBackend",
        "QUEUES": ["default"],
    }
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Accounts -------------------------------------------------------------------------------

AUTH_USER_MODEL = "interviews.User"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "nickname")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "neurogame.passwords.NotTheDemoPassword"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/interview/"
LOGOUT_REDIRECT_URL = "/"
DEMO_PASSWORD = "neurogame"  # noqa: S105
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=30),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    "SIGNING_KEY": SECRET_KEY,
    "USER_ID_CLAIM": "user_id",
    "CHECK_REVOKE_TOKEN": True,
}
MAILERS = {"default": mailer(text("EMAIL_URL", "consolemail://"))}
DEFAULT_FROM_EMAIL = text("EMAIL_FROM", f"Neurogame <no-reply@{_public.hostname or 'localhost'}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "neurogame.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["neurogame.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "neurogame.parsers.AlwaysJSON",
    "EXCEPTION_HANDLER": "neurogame.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Neurogame",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "neurogame.schema.complete",
    ],
}
CORS_ALLOWED_ORIGINS = [origin.rstrip("/") for origin in words("FRONTEND_ORIGIN")]
CORS_ALLOW_HEADERS = [*default_headers, "x-api-key", "content-encoding", "last-event-id"]
CORS_EXPOSE_HEADERS = [
    "X-Request-ID",
    "Retry-After",
    "X-Neurogame-Accepted",
    "X-Neurogame-Duplicate",
    "X-Neurogame-Rejected",
    "X-Neurogame-As-Of",
]

# Requests and seconds of each throttle (contract, section 3); 0 requests: no limit.
THROTTLES = {
    "login_account": (env.int("THROTTLE_LOGIN_ACCOUNT", default=10), 300),
    "login_address": (env.int("THROTTLE_LOGIN_ADDRESS", default=100), 300),
    "register": (env.int("THROTTLE_REGISTER", default=300), 3600),
    "judge": (env.int("THROTTLE_JUDGE", default=60), 60),
    "chat": (env.int("THROTTLE_CHAT", default=30), 60),
    "anticheat": (env.int("THROTTLE_ANTICHEAT", default=120), 60),
}
# Bytes of a request's body by the longest matching path prefix; counted while it arrives.
BODY_LIMITS = {
    "": 1 << 20,
    "/admin/": 32 << 20,
    "/v1/events": 1 << 20,
    "/telemetry/anticheat": 256 << 10,
    "/tasks/": 2 << 20,  # 128 KiB of code and 64 KiB of input, each character escaped
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 33 << 20

# --- Telemetry ------------------------------------------------------------------------------

DEFAULT_API_KEY = "dev-key-change-me"
NEUROGAME_API_KEY = text("NEUROGAME_API_KEY", DEFAULT_API_KEY)
DATA_DIR = NEUROGAME_DB_PATH.parent
# Days that raw events are kept; None: for ever.
EVENT_RETENTION_DAYS = env.int("EVENT_RETENTION_DAYS", default=None)
if EVENT_RETENTION_DAYS is not None and EVENT_RETENTION_DAYS < 1:
    raise ImproperlyConfigured("EVENT_RETENTION_DAYS is 1 or more; empty keeps events for ever.")

# --- Interviewer ----------------------------------------------------------------------------

LLM_BASE_URL = text("BASE_URL", "https://llm.t1v.scibox.tech/v1")
OPENAI_API_KEY = text("OPENAI_API_KEY")
LLM_MODEL = text("LLM_MODEL", "qwen3-32b-awq")
LLM_CODE_MODEL = text("LLM_CODE_MODEL", "qwen3-coder-30b-a3b-instruct-fp8")
LLM_NO_THINK = env.bool("LLM_NO_THINK", default=True)
LLM_TIMEOUT_S = env.float("LLM_TIMEOUT_S", default=60.0)
LLM_FIRST_TOKEN_TIMEOUT_S = env.float("LLM_FIRST_TOKEN_TIMEOUT_S", default=15.0)
# Seconds over which the scripted interviewer spreads a reply; 0: as fast as it goes.
CHAT_SCRIPT_SECONDS = env.float("CHAT_SCRIPT_SECONDS", default=1.2)

# --- Judging --------------------------------------------------------------------------------

SANDBOX = text("SANDBOX", "auto")
SANDBOX_IMAGE = text("SANDBOX_IMAGE", "neurogame-sandbox")
SANDBOX_DOCKER_RUNTIME = text("SANDBOX_DOCKER_RUNTIME")
SANDBOX_POOL = env.int("SANDBOX_POOL", default=2)
RUNNER_REDIS_URL = text("RUNNER_REDIS_URL")
JUDGE_SLOTS = env.int("JUDGE_SLOTS", default=max(1, os.cpu_count() or 1))
# Evaluations that may be under way or wait at one time; past it the API answers 503.
JUDGE_QUEUE_MAX = env.int("JUDGE_QUEUE_MAX", default=200)
# A check whose process died is evaluated again after this; live ones renew it four times as often.
JUDGE_LEASE_S = env.float("JUDGE_LEASE_S", default=20.0)
JUDGE_WAIT_S = env.float("JUDGE_WAIT_S", default=10.0)
TASK_ATTEMPTS = 5
# When an interview stops by itself: standard error of the ability, number of tasks.
SELECTION_SE = env.float("SELECTION_SE", default=0.35)
SELECTION_LENGTH = env.int("SELECTION_LENGTH", default=8)

# --- Language, time, static files -----------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LOCALE_PATHS = [BASE_DIR / "neurogame" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "neurogame.storage.HashedStaticFilesStorage"
        )
    },
}
SERVESTATIC_AUTOREFRESH = SERVESTATIC_USE_FINDERS = DEBUG
SERVESTATIC_ALLOW_ALL_ORIGINS = False  # other origins are FRONTEND_ORIGIN's business

# --- Import, export, admin ------------------------------------------------------------------

IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
UNFOLD = {
    "SITE_TITLE": "Neurogame",
    "SITE_HEADER": "Neurogame",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("neurogame/img/logo.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("neurogame/img/logo.svg"),
        },
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "STYLES": [lambda request: static("neurogame/css/admin.css")],
    "SCRIPTS": [lambda request: static("neurogame/js/admin.js")],
    "LOGIN": {"form": "interviews.admin_signin.SignInForm"},
    "COLORS": {  # the site's green
        "primary": {
            "50": "#effaf7",
            "100": "#d8f1eb",
            "200": "#b3e2d8",
            "300": "#83ccbf",
            "400": "#4fb0a2",
            "500": "#25948a",
            "600": "#0b6a61",
            "700": "#07524b",
            "800": "#06443f",
            "900": "#053834",
            "950": "#02211f",
        },
    },
}

# --- Logging --------------------------------------------------------------------------------

LOGGING = logging_config(
    debug=DEBUG,
    level=text("LOG_LEVEL", "INFO"),
    secrets=(SECRET_KEY, NEUROGAME_API_KEY, OPENAI_API_KEY),
)
