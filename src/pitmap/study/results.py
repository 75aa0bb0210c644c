"""Where the results of a study lie: every path in a results folder is spelled here and nowhere else.

Inside a sample set, ``samples.dataset`` says where its files are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MapFiles:
    """The files of one map; all have names made from the map's own.

    Attributes:
        map: The land-cover map, ``.tif``.
    """

    map: Path

    @property
    def confidence(self) -> Path:
        """Calibrated probability of the mapped class, pixel by pixel."""
        return self.map.with_name(f"{self.map.stem}-confidence.tif")

    @property
    def probabilities(self) -> Path:
        """Probability of each class, a band a class."""
        return self.map.with_name(f"{self.map.stem}-probabilities.tif")

    @property
    def mines(self) -> Path:
        """Mine polygons."""
        return self.map.with_suffix(".gpkg")


@dataclass(frozen=True)
class Results:
    """The paths of a study's results.

    Attributes:
        folder: The results folder.
    """

    folder: Path

    @property
    def samples(self) -> Path:
        """Folder of the sample set."""
        return self.folder / "samples"

    @property
    def models(self) -> Path:
        """Folder of the models."""
        return self.folder / "models"

    def model(self, network: str, seed: int) -> Path:
        """The model of a network and a seed; its learning curves (``.csv``, ``.png``) lie beside it."""
        return self.models / f"{file_name(network)}-seed{seed}.safetensors"

    @property
    def maps(self) -> Path:
        """Folder of the maps."""
        return self.folder / "maps"

    def map(self, scene: str) -> MapFiles:
        """The map of a scene, by the scene's name."""
        return MapFiles(self.maps / f"{scene}.tif")

    @property
    def accuracy(self) -> Path:
        """Figures of accuracy against the labels."""
        return self.folder / "accuracy.json"

    @property
    def confusion(self) -> Path:
        """Confusion matrix over the test ground."""
        return self.folder / "confusion.csv"

    @property
    def estimate(self) -> Path:
        """Accuracy and areas estimated from labelled points."""
        return self.folder / "estimate.json"

    @property
    def audit(self) -> Path:
        """Verdicts on single mines."""
        return self.folder / "audit.json"

    @property
    def changes(self) -> Path:
        """Folder of what changed between dates, with a folder for each place."""
        return self.folder / "change"

    def change(self, place: str) -> Path:
        """What changed at a place, see ``changes.result``."""
        return self.changes / place / "change.json"

    @property
    def report(self) -> Path:
        """The page that is signed and its annex: one HTML file that opens offline."""
        return self.folder / "report.html"

    def qgis_project(self, study: str) -> Path:
        """The QGIS project of a study, named as the study is, without what file names cannot have."""
        name = " ".join(re.sub(r"[^\w .()-]+", " ", study).split()).strip(".")
        return self.folder / f"{name or 'study'}.qgz"

    @property
    def stac(self) -> Path:
        """Folder of the STAC catalogue."""
        return self.folder / "stac"

    @property
    def runs(self) -> Path:
        """Folder of the runs of a comparison; each has the same names inside as a study."""
        return self.folder / "runs"

    @property
    def run(self) -> Path:
        """Facts of one run of a comparison."""
        return self.folder / "run.json"

    @property
    def ground(self) -> Path:
        """Counts by cells of test ground of one run, for comparison with other runs."""
        return self.folder / "ground.npz"

    @property
    def comparison(self) -> Path:
        """Folder of a comparison's tables and pictures."""
        return self.folder / "comparison"

    @property
    def comparison_page(self) -> Path:
        """The page of a comparison."""
        return self.folder / "comparison.html"


def file_name(network: str) -> str:
    """The name of a network, ``package.module:factory`` included, as part of a file name."""
    return network.replace(":", "-").replace(".", "-")
