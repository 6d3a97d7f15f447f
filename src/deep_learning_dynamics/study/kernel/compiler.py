"""Compiling with numba so that results do not depend on the processor, and caching the outcome.

Floating-point operations are never reordered or contracted: numba's ``fastmath`` stays off.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

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


def callback(signature: Any, function: Callable) -> Any:
    """A function that compiled code can be given as an argument; cached as ``compiled_once``."""
    function = plain(function)
    _require_compiler()
    try:
        return numba.cfunc(signature, cache=True, **OPTIONS)(function)
    except RuntimeError:
        return numba.cfunc(signature, **OPTIONS)(function)


@cache
def fingerprint(*functions: Callable) -> int:
    """A number from the sources of the kernel and of these functions."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for function in functions:
        source = inspect.getsourcefile(plain(function))
        digest.update(Path(source).read_bytes() if source else b"")
    return int.from_bytes(digest.digest()[:7]) + 1


def _require_compiler() -> None:
    if numba.config.DISABLE_JIT:
        raise ParamsError(
            "NUMBA_DISABLE_JIT is set; expected compiled code, as training would take hours "
            "without. Unset NUMBA_DISABLE_JIT."
        )
