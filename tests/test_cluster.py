import subprocess
import sys

import psutil
import pytest
import torch
from dask.system import CPU_COUNT

from cluster_work import Piece, cluster_in_this_process, listening, logged, square, threads
from pitmap import cluster as cluster_module
from pitmap.cluster import Cluster, cluster_at
from pitmap.errors import ClusterError, ImageError


def test_pieces_are_done_and_errors_come_back_whole():
    with cluster_in_this_process() as cluster:
        assert cluster.slots == 2
        found = dict(cluster.each(square, [1, 2, 3, 4]))
        assert [found[number] for number in (0, 1, 3)] == [1, 4, 16]
        error = found[2]
        assert isinstance(error, ImageError)
        assert (error.found, error.expected, error.options) == ("Three.", "Another number.", ("scale",))
        assert dict(cluster.each(threads, [0, 1])) == {0: max(1, CPU_COUNT // 2), 1: max(1, CPU_COUNT // 2)}


def test_workers_of_other_versions_are_refused(monkeypatch):
    with cluster_in_this_process() as cluster:
        given = iter([{"pitmap": "0.1.0", "torch": "1.0"}])
        really = cluster_module._versions
        monkeypatch.setattr(cluster_module, "_versions", lambda: next(given, really()))
        with pytest.raises(ClusterError, match=r"has pitmap .* torch 1\.0, as here"):
            Cluster(cluster._client, "old")


def test_addresses_that_lead_nowhere_are_refused(monkeypatch):
    for address in ("local", "local:0", "host:80"):
        with pytest.raises(ClusterError, match="There is no cluster"), cluster_at(address):
            pass
    monkeypatch.setattr(cluster_module, "SECONDS_TO_CONNECT", 0.2)
    with (
        pytest.raises(ClusterError, match=r"No scheduler of Dask answers at tcp://127"),
        cluster_at("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_extra_is_named():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "import pitmap, pitmap.mapping.scenes, pitmap.errors\n"
        "try:\n    pitmap.cluster_at('local:2').__enter__()\n"
        "except pitmap.errors.ClusterError as error: print(error)\n"
        "print('dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.splitlines()
    assert "pip install 'pitmap[cluster]'" in said
    assert loaded == "False"


@pytest.mark.verify
def test_processes_of_this_machine_listen_to_it_alone_and_a_lost_one_costs_its_piece_alone(tmp_path):
    with cluster_at("local:2") as cluster:
        assert cluster.slots == 2
        found = dict(cluster.each(listening, [0, 1, 2, 3]))
        own = [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]
        assert {ip for ips in (own, *found.values()) for ip in ips} == {"127.0.0.1"}
        each = max(1, torch.get_num_threads() // 2)
        assert set(dict(cluster.each(threads, [0, 1, 2])).values()) == {each}
        log = tmp_path / "log"
        pieces = [Piece(number, log, kills_its_worker=number == 3) for number in range(8)]
        assert dict(cluster.each(logged, pieces)) == {number: number for number in range(8)}
        begun = log.read_text().split()
        assert sorted(begun) == sorted([*map(str, range(8)), "3"])
