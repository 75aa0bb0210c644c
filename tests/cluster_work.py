"""Pieces of work for workers of Dask in other processes, and workers in this one."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

from pitmap.cluster import Cluster
from pitmap.errors import ImageError


class Piece(NamedTuple):
    number: int
    log: Path
    kills_its_worker: bool = False


def square(number: int) -> int:
    if number == 3:
        raise ImageError("Three.", "Another number.", options=["scale"])
    return number**2


def threads(_: int) -> int:
    return torch.get_num_threads()


def listening(_: int) -> list[str]:
    return [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]


def logged(piece: Piece) -> int:
    """Writes its number to the log when it begins; kills its worker the first time, where that is asked for."""
    with piece.log.open("a") as log:
        log.write(f"{piece.number}\n")
    time.sleep(0.3)
    if piece.kills_its_worker and piece.log.read_text().split().count(str(piece.number)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece.number


@contextmanager
def cluster_in_this_process(workers: int = 2) -> Iterator[Cluster]:
    from distributed import Client

    before = torch.get_num_threads()
    try:
        with Client(
            processes=False, n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as client:
            yield Cluster(client, "this process")
    finally:
        torch.set_num_threads(before)
