"""The game client's one file: what it may use, wherever a game runs it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from neurogame.bootstrap.toolchains import old_pythons
from telemetry import client as client_module

# What the file takes from the standard library, by hand: each of these is in Python 3.8. A new name
# here means that somebody looked at "New in version" in its documentation.
LIBRARY_NAMES = """
    atexit.register collections.deque contextlib.suppress datetime.datetime.fromtimestamp
    datetime.datetime.now datetime.timezone.utc email.utils.parsedate_to_datetime fcntl.LOCK_EX
    fcntl.LOCK_NB fcntl.flock gzip.compress hashlib.sha256 http.client.HTTPException json.dumps
    json.loads logging.DEBUG logging.WARNING logging.getLogger msvcrt.LK_NBLCK msvcrt.locking
    os.O_APPEND os.O_CREAT os.O_EXCL os.O_RDWR os.O_WRONLY os.PathLike os.close os.environ
    os.environ.get os.fspath os.fsync os.getpid os.listdir os.makedirs os.name os.open
    os.path.abspath os.path.exists os.path.expanduser os.path.join os.register_at_fork os.replace
    os.stat os.unlink os.urandom os.write random.Random sys.platform threading.Condition
    threading.Event threading.Lock threading.RLock threading.Thread threading.current_thread
    threading.local time.monotonic time.time time.time_ns typing.Any typing.Callable
    typing.Iterator typing.Mapping urllib.error.HTTPError urllib.parse.urlsplit
    urllib.request.HTTPRedirectHandler urllib.request.Request urllib.request.build_opener
    weakref.WeakSet weakref.ref
"""
LIBRARY = frozenset(LIBRARY_NAMES.split())
# Methods and arguments of built-in types that 3.8 lacks, wherever they stand.
LATER_METHODS = {"removeprefix", "removesuffix", "bit_count", "randbytes", "is_relative_to"}
LATER_ARGUMENTS = {"strict", "cancel_futures", "slots", "kw_only", "delete_on_close"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute of a name; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner and isinstance(node, ast.Attribute) else ""


def test_file_needs_python_38_and_nothing_else() -> None:
    source = Path(client_module.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    modules: dict[str, str] = {}  # what a name of the file stands for
    used = set()
    for node in ast.walk(tree):
        assert type(node).__name__ not in {"Match", "TryStar"}
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0]: alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            if node.module != "__future__":
                modules |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            assert node.attr not in LATER_METHODS
            used.add(dotted(node))
        elif isinstance(node, ast.Call):
            assert not {argument.arg for argument in node.keywords} & LATER_ARGUMENTS
        elif isinstance(node, ast.With):  # parentheses around several are for later ones
            assert source.splitlines()[node.lineno - 1].split("with", 1)[1].strip() != "("
    roots = {name.split(".")[0] for name in modules.values()}
    assert roots <= set(sys.stdlib_module_names) | {"msvcrt"}
    taken = {name for name in modules.values() if "." in name}
    for name in used:
        root, _dot, rest = name.partition(".")
        if root in modules:
            taken.add(f"{modules[root]}.{rest}")
    assert {name for name in taken if not any(one.startswith(f"{name}.") for one in taken)} <= (
        LIBRARY
    )


def test_library_of_the_oldest_python_has_what_the_file_takes() -> None:
    """On Python 3.8 itself where it is here, else on this one."""
    here = sorted(name for name in LIBRARY if not name.startswith("msvcrt."))
    program = """
import importlib, sys
for name in sys.argv[1:]:
    parts, rest = name.split("."), []
    while True:
        try:
            found = importlib.import_module(".".join(parts))
            break
        except ImportError:
            rest.insert(0, parts.pop())
    for part in rest:
        found = getattr(found, part)
"""
    python = old_pythons().get("3.8", sys.executable)
    done = subprocess.run([python, "-I", "-c", program, *here], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
