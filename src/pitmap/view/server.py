"""Requests and answers: on the loopback interface, nothing but what the page shows, files of one folder only."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property, lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pitmap.errors import OutputError, PitmapError
from pitmap.legend import Legend
from pitmap.observer import logger
from pitmap.view.scenes import Viewed, ViewedLayer
from pitmap.view.tiles import load, mines_geojson, thumbnail, tile

LOOPBACK = "127.0.0.1"

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src blob:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)
"""The page may ask this server alone."""

REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""A report holds everything itself."""

SERVED = (".html", ".json", ".csv", ".png", ".svg", ".txt", ".geojson")
"""Endings of files of the results folder that may be asked for."""

TILES_KEPT = 2048


class ViewServer(ThreadingHTTPServer):
    """Serves a study to the browser of this machine.

    Args:
        viewed: What is shown.
        port: On the loopback interface; 0 takes a free one.

    Raises:
        OutputError: The port is taken, or the extra is not installed.
    """

    daemon_threads = True

    def __init__(self, viewed: Viewed, port: int = 0) -> None:
        for library in ("rio_tiler", "maplibre"):
            if find_spec(library) is None:
                raise OutputError(
                    f"The viewer needs the library {library}, which is not installed.",
                    remedy="Run: pip install 'pitmap[view]'",
                )
        self.viewed = viewed
        self.tile = lru_cache(TILES_KEPT)(self._tile)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise OutputError(
                f"Port {port} cannot be used ({error.strerror or error}).", remedy="Choose another.", options=["port"]
            ) from error

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """Names under which this server may be asked: a page of another name that leads here gets nothing."""
        port = self.server_address[1]
        return f"{LOOPBACK}:{port}", f"localhost:{port}"

    def summary(self) -> str:
        """One line for the screen."""
        return f"{self.viewed.title}: {self.address} (Ctrl-C stops)"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"address": self.address, "scenes": list(self.viewed.scenes)}

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Answer until ``shutdown``; what the first page will ask for is made ready meanwhile."""
        ready = threading.Thread(target=self._make_ready, daemon=True)
        ready.start()
        super().serve_forever(poll_interval)
        ready.join()

    def _make_ready(self) -> None:
        """Load what cuts tiles, and the mines of the scene that is shown first."""
        first = next(iter(self.viewed.scenes.values()))
        if first.mines is not None:
            with contextlib.suppress(Exception):  # said where the page asks for them
                mines_geojson(first.mines, first.table)
        load()

    @cached_property
    def study(self) -> bytes:
        """What the page needs to know, as JSON."""
        viewed = self.viewed
        scenes = [
            {
                "name": s.name, "date": s.date, "bounds": s.bounds,
                "mines": None if s.mines is None else str(s.mines.stat().st_mtime_ns),
                "layers": [_told(layer) for layer in s.layers.values()],
                "timeline": None if s.timeline is None else asdict(s.timeline),
            }
            for s in viewed.scenes.values()
        ]  # fmt: skip
        content = {"title": viewed.title, "scenes": scenes, "classes": _classes(viewed.legend), "report": viewed.report}
        return json.dumps(content, ensure_ascii=False).encode()

    def _tile(self, scene: str, layer: str, z: int, x: int, y: int) -> bytes | None:
        return tile(self.viewed.scenes[scene].layers[layer], self.viewed.legend, z, x, y)


def _told(layer: ViewedLayer) -> dict[str, Any]:
    """What the page needs to know of a layer."""
    own = None if layer.legend is None else _classes(layer.legend)
    return {"name": layer.name, "title": layer.title, "classes": own, "listed": layer.listed}


def _classes(legend: Legend) -> list[dict[str, str]]:
    return [{"key": c.key, "name": c.name, "colour": c.colour} for c in legend]


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    server_version, sys_version = "pitmap", ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        path = unquote(urlsplit(self.path).path)
        for pattern, answer in _ANSWERS:
            if found := re.fullmatch(pattern, path):
                try:
                    answer(self, *found.groups())
                except (KeyError, FileNotFoundError):
                    self._refuse(HTTPStatus.NOT_FOUND)
                except PitmapError as error:
                    logger.warning("%s", error)
                    self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
                return
        self._refuse(HTTPStatus.NOT_FOUND)

    def page(self) -> None:
        self._send(_own_file("page.html"), "text/html; charset=utf-8")

    def study(self) -> None:
        self._send(self.server.study, "application/json")

    def static(self, name: str) -> None:
        content = _maplibre_file(name) if name.startswith("maplibre-gl.") else _own_file(name)
        self._send(content, mimetypes.guess_type(name)[0] or "application/octet-stream")

    def tile(self, scene: str, layer: str, z: str, x: str, y: str) -> None:
        found = self.server.tile(scene, layer, int(z), int(x), int(y))
        if found is None:
            self._refuse(HTTPStatus.NO_CONTENT)
        else:
            self._send(found, "image/png", keep=True)

    def mines(self, scene: str) -> None:
        shown = self.server.viewed.scenes[scene]
        if shown.mines is None:
            raise KeyError(scene)
        # Its address holds the time of its change.
        self._send(mines_geojson(shown.mines, shown.table), "application/geo+json", keep=True)

    def thumbnail(self, scene: str, layer: str, mine: str) -> None:
        viewed = self.server.viewed
        found = thumbnail(viewed.scenes[scene], viewed.scenes[scene].layers[layer], viewed.legend, int(mine))
        if found is None:
            raise KeyError(mine)
        self._send(found, "image/png", keep=True)

    def file(self, name: str) -> None:
        folder = self.server.viewed.folder
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or path.suffix.lower() not in SERVED or not path.is_file():
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._send(path.read_bytes(), kind, policy=REPORT_POLICY)

    def _send(self, content: bytes, kind: str, *, keep: bool = False, policy: str = POLICY) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "private, max-age=600" if keep else "no-store")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            logger.debug("a browser went away")

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


_NAME = r"([^/]+)"
_ANSWERS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("/", _Handler.page),
    ("/study.json", _Handler.study),
    (r"/static/(maplibre-gl\.(?:js|css)|view\.(?:js|css))", _Handler.static),
    (rf"/tiles/{_NAME}/{_NAME}/(\d{{1,2}})/(\d{{1,9}})/(\d{{1,9}})\.png", _Handler.tile),
    (rf"/mines/{_NAME}\.geojson", _Handler.mines),
    (rf"/thumbnails/{_NAME}/{_NAME}/(\d{{1,9}})\.png", _Handler.thumbnail),
    (r"/files/(.+)", _Handler.file),
)
"""What may be asked for, and who answers."""


@lru_cache
def _maplibre_file(name: str) -> bytes:
    """A file of the package maplibre, which is found and not imported: its Python would take seconds."""
    spec = find_spec("maplibre")
    (folder, *_) = (spec and spec.submodule_search_locations) or [""]
    return (Path(folder) / "srcjs" / name).read_bytes()


def _own_file(name: str) -> bytes:
    return resources.files("pitmap.view").joinpath(name).read_bytes()


def serve(server: ViewServer) -> None:
    """Answer until a signal comes; the requests under way are let go."""
    # What the libraries of rasters say to programmers; a raster that cannot be read is an error, and is logged.
    warnings.filterwarnings("ignore", module=r"(rio_tiler|rasterio|affine)\b")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.2)
    finally:
        server.shutdown()
        server.server_close()
