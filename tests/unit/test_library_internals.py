"""Names of libraries that their documentation does not promise, and that our code uses: each must still be there.

If one of these tests fails after an update, the library has changed inside. Read the named file, and find what replaces
the name there before the update is taken.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx._main
import pytest
from celery.worker.consumer import Consumer
from gunicorn import arbiter, glogging, util
from gunicorn.http import body, errors, parser, unreader, wsgi
from gunicorn.workers import base, gthread
from honcho import manager, process
from kombu.asynchronous.timer import Timer
from PIL import Image, PngImagePlugin, TiffImagePlugin
from prometheus_client import values

ROOT = Path(__file__).parents[2]
OURS = ("api", "shared", "worker", "services", "client/glassbox")
GUNICORN, HONCHO, PILLOW, CELERY = "gunicorn", "honcho", "pillow", "celery"

ATTRIBUTES = [  # the library, what has the name, the name, who uses it
    (GUNICORN, parser, "_DRAIN_MAX_BYTES", "api/server/unread.py"),
    (GUNICORN, wsgi, "Response", "services/api/gunicorn.conf.py"),
    (GUNICORN, util, "write", "api/server/responses.py"),
    (GUNICORN, util, "write_nonblock", "services/api/gunicorn.conf.py"),
    (GUNICORN, arbiter.Arbiter, "WORKERS", "services/api/gunicorn.conf.py"),
    *((GUNICORN, errors, name, "api/server/parse_errors.py") for name in (
        "LimitRequestLine", "LimitRequestHeaders", "ExpectationFailed", "UnsupportedTransferCoding",
        "ConfigurationProblem", "ParseException",
    )),
    (GUNICORN, glogging.Logger, "setup", "services/api/gunicorn.conf.py"),
    (HONCHO, manager, "KILL_WAIT", "services/embedded/up.py"),
    (HONCHO, manager.Manager, "_any_stopped", "services/embedded/up.py"),
    (HONCHO, manager.Manager, "_all_stopped", "services/embedded/up.py"),
    (HONCHO, manager.Manager, "_killall", "services/embedded/up.py"),
    (HONCHO, process.Process, "run", "services/embedded/up.py"),
    (PILLOW, Image.core, "map_buffer", "shared/images/codecs/png.py"),  # type: ignore[attr-defined]
    (PILLOW, Image.core, "zip_decoder", "shared/images/codecs/png.py"),  # type: ignore[attr-defined]
    (PILLOW, PngImagePlugin.PngImageFile, "_open", "shared/images/codecs/png.py"),
    (PILLOW, TiffImagePlugin.TiffImageFile, "_open", "shared/images/codecs/arrays.py"),
    (CELERY, Timer, "call_repeatedly", "worker/app.py"),
    ("prometheus-client", values, "ValueClass", "services/api/gunicorn.conf.py"),
    ("prometheus-client", values, "MultiProcessValue", "services/api/gunicorn.conf.py"),
]  # fmt: skip
SET_BY_INIT = [  # the library, the class whose objects have the attribute, the attribute, who uses it
    (GUNICORN, gthread.ThreadWorker, "tpool", "api/server/balanced_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "nr_conns", "api/server/balanced_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "nr_conns", "api/server/patient_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "method_queue", "api/server/patient_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "poller", "api/server/patient_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "keepalived_conns", "api/server/patient_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "worker_connections", "api/server/patient_worker.py"),
    (GUNICORN, base.Worker, "alive", "api/server/balanced_worker.py"),
    (GUNICORN, base.Worker, "alive", "api/server/patient_worker.py"),
    (GUNICORN, base.Worker, "log", "api/server/patient_worker.py"),
    (GUNICORN, gthread.TConn, "parser", "api/server/balanced_worker.py"),
    (GUNICORN, gthread.TConn, "parser", "api/server/patient_worker.py"),
    (GUNICORN, gthread.TConn, "sock", "api/server/balanced_worker.py"),
    (GUNICORN, gthread.TConn, "client", "api/server/patient_worker.py"),
    (GUNICORN, parser.Parser, "unreader", "api/server/patient_worker.py"),
    (GUNICORN, unreader.Unreader, "buf", "api/server/balanced_worker.py"),
    (GUNICORN, unreader.Unreader, "buf", "api/server/patient_worker.py"),
    (GUNICORN, unreader.SocketUnreader, "mxchunk", "api/server/patient_worker.py"),
    (GUNICORN, gthread.ThreadWorker, "method_queue", "api/server/balanced_worker.py"),
    (GUNICORN, wsgi.Response, "_omits_body", "api/server/responses.py"),
    (GUNICORN, wsgi.Response, "headers_sent", "api/server/responses.py"),
    (GUNICORN, wsgi.Response, "response_length", "api/server/responses.py"),
    (GUNICORN, wsgi.Response, "sent", "api/server/responses.py"),
    (GUNICORN, body.Body, "reader", "api/server/unread.py"),
    (GUNICORN, body.Body, "failed", "api/server/unread.py"),
    (GUNICORN, body.LengthReader, "length", "api/server/unread.py"),
    (GUNICORN, body.ChunkedReader, "parser", "api/server/unread.py"),
    (HONCHO, manager.Manager, "_processes", "services/embedded/up.py"),
    (PILLOW, Image.Image, "_im", "shared/images/codecs/arrays.py"),
    (HONCHO, manager.Manager, "_process_ctor", "services/embedded/up.py"),
]
OVERRIDDEN = [  # methods that are overridden or called, with the parameters that they must have
    (GUNICORN, gthread.ThreadWorker.init_process, ["self"]),
    (GUNICORN, gthread.ThreadWorker.handle, ["self", "conn"]),
    (GUNICORN, gthread.ThreadWorker.accept, ["self", "listener"]),
    (GUNICORN, gthread.ThreadWorker.notify, ["self"]),
    (GUNICORN, gthread.ThreadWorker.enqueue_req, ["self", "conn"]),
    (GUNICORN, gthread.ThreadWorker.finish_request, ["self", "conn", "fs"]),
    (GUNICORN, gthread.ThreadWorker.murder_pending, ["self"]),
    (GUNICORN, gthread.ThreadWorker.wait_for_and_dispatch_events, ["self", "timeout"]),
    (GUNICORN, wsgi.Response.write, ["self", "arg"]),
    (GUNICORN, wsgi.Response.default_headers, ["self"]),
    (GUNICORN, gthread.TConn.__init__, ["self", "cfg", "sock", "client", "server"]),
    (GUNICORN, gthread.TConn.init, ["self"]),
    (GUNICORN, gthread.ThreadWorker.handle_request, ["self", "req", "conn"]),
    (GUNICORN, gthread.ThreadWorker.handle_error, ["self", "req", "client", "addr", "exc"]),
    (GUNICORN, glogging.Logger.access, ["self", "resp", "req", "environ", "request_time"]),
    (HONCHO, manager.Manager._killall, ["self", "force"]),
]
PUBLIC = {"_asdict", "_fields", "_field_defaults", "_make", "_replace", "_exit"}  # of named tuples and of os
ELSEWHERE = {"_work_queue", "_Hash", "_Decompress", "_typeshed"}  # tested below; the others are for mypy


def gone(library: str, name: str, user: str) -> str:
    return f"{library} {version(library)} has no {name} any more, which {user} uses"


@pytest.mark.parametrize(("library", "owner", "name", "user"), ATTRIBUTES)
def test_a_library_still_has_a_name_that_it_does_not_document(library: str, owner: Any, name: str, user: str) -> None:
    assert hasattr(owner, name), gone(library, name, user)


@pytest.mark.parametrize(("library", "kind", "name", "user"), SET_BY_INIT)
def test_a_librarys_object_still_has_an_attribute(library: str, kind: Any, name: str, user: str) -> None:
    assert name in kind.__init__.__code__.co_names, gone(library, f"{kind.__name__}.{name}", user)


@pytest.mark.parametrize(("library", "method", "parameters"), OVERRIDDEN)
def test_an_overridden_method_still_has_its_parameters(library: str, method: Any, parameters: list[str]) -> None:
    found = list(inspect.signature(method).parameters)
    assert found == parameters, f"{library} {version(library)}: {method.__qualname__} takes {found} now"


def test_a_thread_pool_still_has_a_queue_that_says_whether_it_is_empty() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool._work_queue.empty()


def test_a_request_of_gunicorns_still_has_the_bytes_that_follow_it() -> None:
    assert unreader.Unreader().buf.getvalue() == b""


def test_celery_still_has_the_step_after_which_a_worker_consumes() -> None:
    assert "celery.worker.consumer.tasks:Tasks" in Consumer.Blueprint.default_steps


def test_httpx_still_imports_its_command_by_the_name_that_the_client_replaces() -> None:
    assert httpx._main.__name__ == "httpx._main"


def test_pillow_still_logs_below_one_name() -> None:
    assert TiffImagePlugin.logger.name.startswith("PIL.")


@pytest.mark.parametrize(("name", "user"), [(name, user) for *_, name, user in (*ATTRIBUTES, *SET_BY_INIT)])
def test_the_lists_name_only_what_is_used(name: str, user: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / user).read_text()), f"{user} uses {name} no more: remove it from the list"


def test_the_lists_above_name_every_private_name_that_the_code_uses() -> None:
    listed = {name for _, _, name, _ in (*ATTRIBUTES, *SET_BY_INIT)}
    assert {*used()} - PUBLIC - ELSEWHERE - listed == set()


def used() -> Iterator[str]:
    """Private names that the code imports, takes from a base class by `super()`, or uses without defining them."""
    trees = [ast.parse(path.read_text()) for folder in OURS for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    defined = {name for node in nodes for name in _defined(node)}
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Name("super")), attr=name) if _is_private(name):
                yield name
            case ast.Attribute(attr=name) if _is_private(name) and name not in defined:
                yield name
            case ast.ImportFrom(module=module, names=names):
                yield from (part for part in (module or "").split(".") if _is_private(part))
                yield from (alias.name for alias in names if _is_private(alias.name))
            case ast.Import(names=names):
                yield from (part for alias in names for part in alias.name.split(".") if _is_private(part))


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
