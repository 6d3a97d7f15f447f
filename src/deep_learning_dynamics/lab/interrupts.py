"""Lets a closed terminal and ``kill`` end a command as Ctrl-C does: whole, and tidied up."""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """In the block SIGTERM and SIGHUP raise KeyboardInterrupt, here and in all child processes.

    A signal that is ignored, as under ``nohup``, stays so.
    """
    usual = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in usual:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: Any) -> None:
    import psutil

    # What a shell starts in the background ignores Ctrl-C, and so do its children.
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.send_signal(signal.SIGTERM if deaf else signal.SIGINT)
    raise KeyboardInterrupt
