"""What libraries print by themselves, past every error: kept from the screen, which is pitmap's to write on."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any


def hush() -> None:
    """Keep from stderr what is said there by nobody who could be answered.

    GDAL's own threads print messages that become errors elsewhere; and rasterio prints a traceback where such a message
    holds bytes of a damaged file that are no text.
    """
    os.environ.setdefault("CPL_LOG", os.devnull)
    sys.excepthook, sys.unraisablehook = _on_exception, _on_unraisable


def _on_unraisable(unraisable: Any) -> None:
    if "rasterio._env" not in str(unraisable.object):
        sys.__unraisablehook__(unraisable)


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # Python's own errors have a trace; this one comes out of compiled code, which goes on.
    if not (isinstance(error, UnicodeDecodeError) and trace is None):
        sys.__excepthook__(kind, error, trace)
