"""Work spread over processes and machines by Dask: pieces in, results out in the order in which they are ready.

Dask does the spreading. A piece whose worker is lost is done again by another one; a piece that is finished is not. One
rule keeps results the same wherever they are made: the function that a worker calls is the one that is called here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pitmap.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_CONNECT = 60.0
"""How long a scheduler, and then its first worker, may take to answer."""

T = TypeVar("T")
R = TypeVar("R")


class Cluster:
    """Workers of Dask that have this version of pitmap.

    Args:
        client: Connected to their scheduler.
        name: For people, such as ``local:2``.
        threads: Of a worker; by default each takes its share of the processors of its machine, by cores over the
            threads of Dask there.

    Raises:
        ClusterError: There is no worker, or one has another version of pitmap or PyTorch, or none.
    """

    def __init__(self, client: Client, name: str, threads: int | None = None) -> None:
        self.name, self._client, self._threads = name, client, threads
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
        except TimeoutError as error:
            raise ClusterError(
                f"The cluster {name} has no worker.",
                "At least one worker.",
                "Start workers: dask worker ADDRESS --nthreads 1.",
            ) from error
        self._check_versions()
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        self._slots = Counter[str]()
        for worker in workers:
            self._slots[str(worker["host"])] += int(worker["nthreads"])

    @property
    def slots(self) -> int:
        """Pieces that are worked on at the same time."""
        return sum(self._slots.values())

    def each(self, work: Callable[[T], R], pieces: Sequence[T]) -> Iterator[tuple[int, R | Exception]]:
        """Do every piece on some worker.

        Args:
            work: A function of a module that the workers have. It may be called again for a piece whose worker was
                lost, so it leaves whole files or none.
            pieces: Its arguments; they are pickled.

        Yields:
            The number of a piece and its result, or the error that it ended with. A piece that ended several workers
            ends with a ``ClusterError``.

        Raises:
            ClusterError: The connection is lost.
        """
        from distributed import as_completed
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        call = _Call(work, dict(self._slots), self._threads)
        sent = self._client.map(call, pieces, pure=False)
        numbers = {future.key: number for number, future in enumerate(sent)}
        try:
            for future in as_completed(sent):
                try:
                    result: R | Exception = future.result()
                except KilledWorker as error:
                    result = ClusterError(
                        f"The work ended {self._lives(error)} workers, one after the other.",
                        remedy="Look at their logs; what most often ends them is a lack of memory.",
                    )
                except (FutureCancelledError, OSError) as error:
                    if self._client.status != "running":
                        raise ClusterError(f"The connection to {self.name} is lost ({error}).") from error
                    result = error
                except Exception as error:
                    result = error
                future.release()
                yield numbers[future.key], result
        finally:
            self._client.cancel(sent, reason="no longer wanted")

    def _lives(self, error: Any) -> int:
        return int(getattr(error, "allowed_failures", 3)) + 1

    def _check_versions(self) -> None:
        own = _versions()
        try:
            found = self._client.run(_versions)
        except (ImportError, AttributeError) as error:
            raise ClusterError(
                f"Workers of {self.name} lack pitmap ({error}).", f"pitmap {own['pitmap']} on every worker."
            ) from error
        for worker, versions in sorted(found.items()):
            if versions != own:
                raise ClusterError(
                    f"The worker {worker} has {_text(versions)}.",
                    f"{_text(own)}, as here: other versions may give other maps.",
                    "Install the same versions on all machines.",
                )


class _Call:
    """A piece of work with the threads that a worker has for it."""

    def __init__(self, work: Callable[[Any], Any], slots: dict[str, int], threads: int | None) -> None:
        self.work, self.slots, self.threads = work, slots, threads

    def __call__(self, piece: Any) -> Any:
        import torch
        from dask.system import CPU_COUNT
        from distributed import get_worker
        from distributed.comm.addressing import get_address_host

        worker = get_worker()
        sharing = self.slots.get(get_address_host(worker.address), worker.state.nthreads)
        threads = self.threads or max(1, CPU_COUNT // sharing)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        return self.work(piece)


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """A cluster by its address: ``tcp://HOST:PORT`` of a scheduler of Dask, or ``local:N`` for N processes here.

    Processes of ``local:N`` share out the processors, listen on the loopback interface alone, have no dashboard, and
    end with the block.

    Raises:
        ClusterError: Dask is not installed, or the address does not answer or cannot be read; see also ``Cluster``.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ClusterError(
            f"Dask is not installed ({error}).", remedy="Install it with: pip install 'pitmap[cluster]'"
        ) from error
    if found := re.fullmatch(r"local:([1-9]\d*)", address):
        with _local(int(found[1])) as (client, threads):
            yield Cluster(client, address, threads)
    elif re.match(r"(tcp|tls|ucx|wss?)://", address):
        with _remote(address) as client:
            yield Cluster(client, address)
    else:
        raise ClusterError(
            f"There is no cluster {address!r}.",
            "tcp://HOST:PORT of a scheduler of Dask, or local:N.",
            options=["cluster"],
        )


@contextmanager
def _local(workers: int) -> Iterator[tuple[Client, int]]:
    import logging

    import dask
    import torch
    from distributed import Client, LocalCluster

    threads = max(1, torch.get_num_threads() // workers)
    no_pages: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    # Limits of memory are off: Dask would end a worker that others have left enough for.
    with (
        dask.config.set(no_pages),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0", memory_limit=0,
            silence_logs=logging.CRITICAL, env={"OMP_NUM_THREADS": str(threads)},
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client, threads


@contextmanager
def _remote(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"No scheduler of Dask answers at {address} ({error}).",
            remedy="Check the address, and that the scheduler runs: dask scheduler.",
            options=["cluster"],
        ) from error
    with client:
        yield client


def _versions() -> dict[str, str]:
    """What decides about the content of results."""
    import torch

    from pitmap import __version__

    return {"pitmap": __version__, "torch": torch.__version__.split("+")[0]}


def _text(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
