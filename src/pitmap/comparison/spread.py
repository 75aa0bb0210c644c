"""The runs of a comparison on the workers of a cluster: each is done whole by one worker, as it is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pitmap.cluster import Cluster
from pitmap.comparison.plan import Plan, Run
from pitmap.comparison.runs import Keys, Samples, execute
from pitmap.errors import ClusterError
from pitmap.observer import SILENT, Observer
from pitmap.study.study import load_study


@dataclass(frozen=True)
class _Piece:
    project: Path
    run: Run
    key: str


def execute_on(cluster: Cluster, plan: Plan, keys: Mapping[Run, str], observer: Observer = SILENT) -> None:
    """Do runs of a plan on workers that see the study under the same path. All are done that can be.

    Args:
        cluster: The workers.
        plan: The plan.
        keys: The runs with their keys.
        observer: Told of each run that is done.

    Raises:
        ClusterError: A worker finds another study under the path.
        PitmapError: The first error of a run, after all runs have ended.
    """
    runs = list(keys)
    pieces = [_Piece(plan.project.path.absolute(), run, keys[run]) for run in runs]
    errors: list[Exception] = []
    step = f"runs on {cluster.name}"
    for number, (index, result) in enumerate(cluster.each(_execute, pieces), start=1):
        if isinstance(result, Exception):
            errors.append(result)
            observer.warn(f"The run {runs[index].name} has failed: {result}")
        else:
            observer.say(f"Run {number} of {len(runs)} is done: {runs[index].name}")
        observer.progress(step, number / len(runs))
    if errors:
        raise errors[0]


def _execute(piece: _Piece) -> None:
    plan = Plan.of(load_study(piece.project))
    if Keys(plan).key(piece.run) != piece.key:
        raise ClusterError(
            f"The study {piece.project} of a worker is not the one of the comparison.",
            "One study, on storage that all machines share, as it stands in its file.",
        )
    if not Keys(plan).is_done(piece.run):  # by a worker that was lost before it could say so
        execute(plan, piece.run, Samples(plan), piece.key)
