"""The tiles of one image on workers: the same map as here, and each goes on with what the other has finished."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import psutil
import pytest
import rasterio
import torch

from cluster_work import cluster_in_this_process
from observers import Heard
from pitmap.cluster import Cluster, cluster_at
from pitmap.errors import ClusterError
from pitmap.mapping import parts as parts_module
from pitmap.mapping import prediction
from pitmap.mapping.partial import PartialMap
from pitmap.mapping.parts import _groups
from pitmap.mapping.prediction import MapOptions, map_image


def contents(path: Path) -> tuple[dict, bytes]:
    with rasterio.open(path) as source:
        return source.tags(), source.read().tobytes()


def options_for(folder: Path, name: str, tile: int) -> MapOptions:
    return MapOptions(
        tile=tile, device="cpu", confidence=folder / f"{name}-c.tif", probabilities=folder / f"{name}-p.tif"
    )


def assert_same(folder: Path, model: Path, image: Path, tile: int, cluster: Cluster) -> None:
    heard = Heard()
    here = map_image(model, image, folder / "here.tif", options_for(folder, "here", tile))
    there = map_image(model, image, folder / "there.tif", options_for(folder, "there", tile), heard, cluster=cluster)
    assert here.tiles > 4
    assert (there.tiles, there.pixels, there.area_m2) == (here.tiles, here.pixels, here.area_m2)
    for ending in (".tif", "-c.tif", "-p.tif"):
        assert contents(folder / f"here{ending}") == contents(folder / f"there{ending}")
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1
    assert not list(folder.glob(".*.partial"))


def test_workers_make_the_same_map(tmp_path: Path, model_file: Callable, image_file: Callable):
    with cluster_in_this_process() as cluster:
        assert_same(tmp_path, model_file("small", width=8), image_file(101, 87), 32, cluster)


def test_one_goes_on_with_what_the_other_has_finished(
    tmp_path: Path, model_file: Callable, image_file: Callable, monkeypatch
):
    model, image, out = model_file("small", width=8), image_file(101, 87), tmp_path / "map.tif"
    whole = contents(map_image(model, image, tmp_path / "whole.tif", options_for(tmp_path, "whole", 32)).path)
    options = options_for(tmp_path, "map", 32)
    really = PartialMap.save

    def interrupted_after(number: int) -> None:
        saved = []

        def save(self, index, part):
            if len(saved) == number:
                raise KeyboardInterrupt
            saved.append(index)
            really(self, index, part)

        monkeypatch.setattr(PartialMap, "save", save)

    interrupted_after(5)
    with pytest.raises(KeyboardInterrupt):
        map_image(model, image, out, options)
    monkeypatch.setattr(PartialMap, "save", really)
    with cluster_in_this_process() as cluster:
        made = map_image(model, image, out, options, cluster=cluster)
        assert made.resumed == 5
        assert contents(out) == whole
        # And a run here with what workers have finished: one of them finds another model.
        parts_module.forget_engine()
        monkeypatch.setattr(prediction, "WORTH_KEEPING_S", 0.0)
        monkeypatch.setattr(parts_module, "GROUPS_A_WORKER", 4)
        group = parts_module._make_group

        def failing(work):
            if 9 in work[1]:
                raise ClusterError("Lost.")
            group(work)

        monkeypatch.setattr(parts_module, "_make_group", failing)
        out.unlink()
        with pytest.raises(ClusterError, match=r"Lost\. .*part\(s\) of the map are kept"):
            map_image(model, image, out, replace(options, nodata=7), cluster=cluster)
    made = map_image(model, image, out, replace(options, nodata=7))
    assert 0 < made.resumed < made.tiles


def test_a_worker_that_sees_other_files_says_so(
    tmp_path: Path, model_file: Callable, image_file: Callable, monkeypatch
):
    monkeypatch.setattr(PartialMap, "opened", lambda out, key: None)
    with cluster_in_this_process() as cluster, pytest.raises(ClusterError, match="does not see the parts"):
        map_image(
            model_file("small", width=8), image_file(60, 50), tmp_path / "map.tif", MapOptions(tile=32), cluster=cluster
        )


def test_parts_are_shared_out_in_runs():
    assert _groups([1, 2, 5, 6, 7], 2) == [[1, 2], [5, 6, 7]]
    assert _groups([4], 8) == [[4]]
    assert _groups([], 8) == []
    assert list(chain(*_groups(range(1000), 48))) == list(range(1000))


@pytest.mark.verify
def test_a_worker_that_is_killed_costs_its_unfinished_parts_alone(
    tmp_path: Path, model_file: Callable, image_file: Callable
):
    model, image = model_file("unet", width=8), image_file(1500, 700)
    options = MapOptions(tile=256, device="cpu")
    here = map_image(model, image, tmp_path / "here.tif", options)
    folder = tmp_path / ".there.tif.partial"
    written: dict[str, set[int]] = {}  # the inodes of each part: one that is made again has another
    ended = threading.Event()

    def watch() -> None:
        killed = False
        while not ended.wait(0.005):
            for part in list(folder.glob("[0-9]*.npz")):
                with suppress(FileNotFoundError):
                    written.setdefault(part.name, set()).add(part.stat().st_ino)
            if not killed and len(written) >= 5:
                workers = [
                    p for p in psutil.Process().children(recursive=True)
                    if any("spawn_main" in word for word in p.cmdline())
                ]  # fmt: skip
                os.kill(workers[-1].pid, signal.SIGKILL)
                killed = True
                written["killed"] = {len(written)}

    with cluster_at("local:2") as cluster:
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            there = map_image(model, image, tmp_path / "there.tif", options, cluster=cluster)
        finally:
            time.sleep(0.05)
            ended.set()
            watcher.join()
    (finished,) = written.pop("killed")
    assert finished < here.tiles, "killed in the middle"
    assert len(written) == here.tiles
    assert all(len(inodes) == 1 for inodes in written.values())  # nothing that was finished was made again
    assert there.pixels == here.pixels
    assert contents(tmp_path / "here.tif") == contents(tmp_path / "there.tif")


@pytest.mark.verify
def test_processes_make_the_same_map(tmp_path: Path, model_file: Callable, image_file: Callable):
    before = torch.get_num_threads()
    with cluster_at("local:2") as cluster:
        torch.set_num_threads(max(1, before // 2))  # as each of the workers has: probabilities depend on it
        try:
            assert_same(tmp_path, model_file("unet"), image_file(500, 300), 256, cluster)
        finally:
            torch.set_num_threads(before)
