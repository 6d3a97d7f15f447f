"""Compiling with numba so that results do not depend on the processor, and caching the outcome.

Floating-point operations are never reordered or contracted: numba's ``fastmath`` stays off.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba.extending import register_jitable

from deep_learning_dynamics.errors import ParamsError

Function = Any  # compiled; numba's own types say nothing to a reader
OPTIONS = {"error_model": "numpy", "fastmath": False}


def compiled(function: Callable) -> Callable:
    """A function for use in other compiled functions, with which it is compiled."""
    return numba.njit(nogil=True, **OPTIONS)(plain(function))


def plain(function: Callable) -> Callable:
    """The function itself, without type checks, which unit tests put around every function.

    Those cannot be compiled.
    """
    return inspect.unwrap(function)


def compiled_once(function: Callable) -> Function:
    """An entry point from Python: compiled at its first call ever, then read from numba's cache."""
    return _cached(numba.njit, {"nogil": True}, plain(function), ())


def callback(signature: Any, loop: Callable, **functions: Callable) -> Function:
    """A loop that compiled code can be given as an argument; cached as by :func:`compiled_once`.

    ``functions`` are what it calls by names that its own module does not have. They are not in its
    closure, as numba would make them part of the cache's key in a form that differs from process to
    process.
    """
    own = tuple(plain(function) for function in functions.values())
    given = dict(zip(functions, map(register_jitable, own), strict=True))
    loop = plain(loop)
    called = FunctionType(
        loop.__code__, loop.__globals__ | given, loop.__name__, None, loop.__closure__
    )
    called.__qualname__ = loop.__qualname__
    return _cached(partial(numba.cfunc, signature), {}, called, own)


def _cached(decorator: Callable, options: dict, function: Any, uses: tuple[Any, ...]) -> Function:
    """Compile with numba's cache, unless nothing can be written.

    The cache's files get a name that tells the sources and the processor, and so hold one thing
    each. Of two processes that compile different things for one file of numba's, each could find
    the other's there afterwards.
    """
    if numba.config.DISABLE_JIT:
        raise ParamsError(
            "NUMBA_DISABLE_JIT is set; expected compiled code, as training would take hours "
            "without. Unset NUMBA_DISABLE_JIT."
        )
    function.__qualname__ = f"{function.__name__}_{_fingerprint(uses)}"
    # A function that another one made is not told by its source alone.
    if all(each.__closure__ is None for each in uses):
        try:
            return decorator(cache=True, **options, **OPTIONS)(function)
        except RuntimeError:  # neither the package's folder nor the user's can be written
            pass
    return decorator(**options, **OPTIONS)(function)


def _fingerprint(functions: tuple[Any, ...]) -> str:
    """A hash of the sources of the kernel and of these functions, and of the processor.

    Numba itself would not see that a module has changed that the function uses.
    """
    digest = SOURCES.copy()
    target = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    digest.update(repr((target, get_host_cpu_name(), get_host_cpu_features().flatten())).encode())
    for function in functions:
        digest.update(f"{function.__module__}.{function.__qualname__}".encode())
        source, code = Path(function.__code__.co_filename), function.__code__
        made = code.co_code + repr(code.co_consts).encode()  # where there is no source: in a shell
        digest.update(source.read_bytes() if source.is_file() else made)
    return digest.hexdigest()[:16]


def _sources() -> Any:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest


SOURCES = _sources()  # at the import, so that they are those that were imported
