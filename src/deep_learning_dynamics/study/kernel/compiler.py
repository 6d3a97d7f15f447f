"""Compiling with numba so that results do not depend on the processor, and caching the outcome.

Floating-point operations are never reordered or contracted: numba's ``fastmath`` stays off.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
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


def compiled_once(function: Callable) -> Callable:
    """An entry point from Python: compiled at its first call ever, then read from numba's cache.

    It must be a function in a function that refers to ``fingerprint()``'s value of its outer one:
    that becomes part of the cache's key. Numba itself would not see that a module has changed that
    the function uses.
    """
    function = plain(function)
    _require_compiler()
    try:
        return numba.njit(nogil=True, cache=True, **OPTIONS)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return numba.njit(nogil=True, **OPTIONS)(function)


def callback(signature: Any, loop: Callable, **functions: Callable) -> Function:
    """A loop that compiled code can be given as an argument; cached as by :func:`compiled_once`.

    ``functions`` are what it calls by names that its own module does not have. They are not in its
    closure, as numba would make them part of the cache's key in a form that differs from process to
    process; their ``fingerprint`` should be there.
    """
    _require_compiler()
    given = {name: register_jitable(plain(function)) for name, function in functions.items()}
    loop = plain(loop)
    called = FunctionType(
        loop.__code__, loop.__globals__ | given, loop.__name__, None, loop.__closure__
    )
    called.__qualname__ = loop.__qualname__
    # A function that another one made is not told by its source alone.
    if all(function.__closure__ is None for function in given.values()):
        try:
            return numba.cfunc(signature, cache=True, **OPTIONS)(called)
        except RuntimeError:
            pass
    return numba.cfunc(signature, **OPTIONS)(called)


@cache
def fingerprint(*functions: Callable) -> int:
    """A number from the sources of the kernel and of these functions."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for function in map(plain, functions):
        digest.update(f"{function.__module__}.{function.__qualname__}".encode())
        source, code = Path(function.__code__.co_filename), function.__code__
        made = code.co_code + repr(code.co_consts).encode()  # where there is no source: in a shell
        digest.update(source.read_bytes() if source.is_file() else made)
    return int.from_bytes(digest.digest()[:7]) + 1


def _require_compiler() -> None:
    if numba.config.DISABLE_JIT:
        raise ParamsError(
            "NUMBA_DISABLE_JIT is set; expected compiled code, as training would take hours "
            "without. Unset NUMBA_DISABLE_JIT."
        )
