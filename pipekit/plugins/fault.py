"""What went wrong in a plugin's code, and in which line of it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from pipekit.errors import PipekitError

_LONGEST_TEXT = 2_000  # characters of an exception's message


class PluginFault(Exception):  # noqa: N818  # it is the plugin's, and not an error of ours
    """A plugin's code raised an exception, or took too long.

    Its text is `ValueError: no such file`, or the sentence of one of pipekit's own errors
    (`explained`). `where`: the line of the plugin, as `module.py:12`, or empty. `located`: the text
    and that line. `traceback`: its last lines.
    """

    def __init__(
        self,
        text: str,
        *,
        timed_out: bool = False,
        explained: bool = False,
        where: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(text)
        self.timed_out = timed_out
        self.explained = explained
        self.where = where
        self.located = f"{text} ({where})" if where else text
        self.traceback = traceback


def place_of(thread: threading.Thread) -> tuple[str, str]:
    """The line of the plugin's code that a thread is in, and as a line of a traceback."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and not _may_be_a_plugins(frame.f_globals.get("__name__")):
        frame = frame.f_back
    if frame is None:
        return "", ""
    file = frame.f_code.co_filename
    where = f"{os.path.basename(file)}:{frame.f_lineno}"
    return where, f'  File "{file}", line {frame.f_lineno}'


def described(error: BaseException) -> str:
    """`ValueError: text` for an exception, whatever its class does when it is asked for a text."""
    name = type(error).__name__
    try:
        text = f"{error}"[:_LONGEST_TEXT]
    except BaseException as second:  # its own `__str__` is a plugin's code as well
        return f"{name} (its message cannot be shown: {type(second).__name__})"
    return f"{name}: {text}" if text else name


def located(error: BaseException) -> str:
    """The same with the line of the plugin's code, if any: `ValueError: text (module.py:12)`."""
    where = _where(error)
    return f"{described(error)} ({where})" if where else described(error)


def fault_of(error: BaseException) -> PluginFault:
    """The fault of a plugin that raised this."""
    import traceback  # only on failure

    shown = ""
    with contextlib.suppress(BaseException):  # the exception's methods are a plugin's code as well
        shown = "".join(traceback.format_exception(error, limit=-5))
    if type(error).__module__ == PipekitError.__module__:
        text = str(error) or type(error).__name__
        return PluginFault(text, explained=True, traceback=shown)
    return PluginFault(described(error), where=_where(error), traceback=shown)


def _where(error: BaseException) -> str:
    """The last line of the plugin's code, as `module.py:12`; empty if there is none."""
    if isinstance(error, SyntaxError) and type(error.filename) is str:
        return f"{os.path.basename(error.filename)}:{error.lineno}"
    found, step = "", error.__traceback__
    while step is not None:
        if _may_be_a_plugins(step.tb_frame.f_globals.get("__name__")):
            file = step.tb_frame.f_code.co_filename
            found = f"{os.path.basename(file)}:{step.tb_lineno}"
        step = step.tb_next
    return found


def _may_be_a_plugins(module: object) -> bool:
    """Whether a module of this name is neither Python's nor ours."""
    top = module.partition(".")[0] if type(module) is str else ""
    return top != "pipekit" and top not in sys.stdlib_module_names
