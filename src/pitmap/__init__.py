"""Mapping of open-pit mines from high-resolution satellite images.

The steps, by name::

    import pitmap

    study = pitmap.load_study("pitmap.toml")
    print(pitmap.run(study).summary())

The packages follow the way of the data: ``imagery`` (product to reflectance), ``samples`` (patches with a split),
``networks``, ``training`` (the best epoch's model), ``mapping`` (land-cover map and mine polygons), ``accuracy`` and
``reporting``. Importing ``pitmap`` itself loads nothing heavy: a name is loaded when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = {
    # From a product to an image
    "prepare": "pitmap.imagery.prepare",
    "PrepareOptions": "pitmap.imagery.options",
    "PrepareReport": "pitmap.imagery.prepare",
    # A study
    "load_study": "pitmap.study.study",
    "Study": "pitmap.study.study",
    "run": "pitmap.workflow",
    "StudyRun": "pitmap.workflow",
    "sample": "pitmap.workflow",
    "SampleSet": "pitmap.samples.dataset",
    "train": "pitmap.workflow",
    "model_path": "pitmap.workflow",
    "map_scenes": "pitmap.mapping.study",
    "assess_study": "pitmap.workflow",
    "StudyAccuracy": "pitmap.accuracy.census.study",
    "report": "pitmap.workflow",
    "Report": "pitmap.workflow",
    "compare": "pitmap.comparison.comparison",
    "ComparisonRun": "pitmap.comparison.comparison",
    # A model and an image
    "load_model": "pitmap.networks.model_file",
    "ModelCard": "pitmap.networks.model_card",
    "map_image": "pitmap.mapping.prediction",
    "MapOptions": "pitmap.mapping.prediction",
    "MapReport": "pitmap.mapping.prediction",
    "map_images": "pitmap.mapping.scenes",
    "MapRun": "pitmap.mapping.scenes",
    "cluster_at": "pitmap.cluster",
    "extract_mines": "pitmap.mapping.mines",
    "Mines": "pitmap.mapping.mines",
    "review": "pitmap.mapping.review",
    "ReviewOptions": "pitmap.mapping.review",
    "Review": "pitmap.mapping.review",
    "write_stac": "pitmap.deliver.stac",
    "Catalogue": "pitmap.deliver.stac",
    "export_onnx": "pitmap.deliver.onnx_model",
    "OnnxExport": "pitmap.deliver.onnx_model",
    "report_map": "pitmap.reporting.map_page",
    "MapReportOptions": "pitmap.reporting.map_page",
    "MapPage": "pitmap.reporting.map_page",
    # Dates
    "change": "pitmap.changes.change",
    "ChangeOptions": "pitmap.changes.result",
    "Change": "pitmap.changes.result",
    # Accuracy
    "assess": "pitmap.accuracy.census.assess",
    "AssessOptions": "pitmap.accuracy.census.assess",
    "Assessment": "pitmap.accuracy.census.assess",
    "design": "pitmap.accuracy.sampling.design",
    "DesignOptions": "pitmap.accuracy.sampling.design",
    "Design": "pitmap.accuracy.sampling.design",
    "estimate": "pitmap.accuracy.sampling.sample",
    "EstimateOptions": "pitmap.accuracy.sampling.sample",
    "SampleEstimate": "pitmap.accuracy.sampling.sample",
    "audit": "pitmap.accuracy.mines.audit",
    "AuditOptions": "pitmap.accuracy.mines.audit",
    "Audit": "pitmap.accuracy.mines.audit",
    # What they have in common
    "Grid": "pitmap.grid",
    "Legend": "pitmap.legend",
    "LandCoverClass": "pitmap.legend",
    "Observer": "pitmap.observer",
    "PitmapError": "pitmap.errors",
}
"""Where each public name is defined, in the order of the way of the data."""

if TYPE_CHECKING:
    from pitmap.accuracy.census.assess import Assessment as Assessment
    from pitmap.accuracy.census.assess import AssessOptions as AssessOptions
    from pitmap.accuracy.census.assess import assess as assess
    from pitmap.accuracy.census.study import StudyAccuracy as StudyAccuracy
    from pitmap.accuracy.mines.audit import Audit as Audit
    from pitmap.accuracy.mines.audit import AuditOptions as AuditOptions
    from pitmap.accuracy.mines.audit import audit as audit
    from pitmap.accuracy.sampling.design import Design as Design
    from pitmap.accuracy.sampling.design import DesignOptions as DesignOptions
    from pitmap.accuracy.sampling.design import design as design
    from pitmap.accuracy.sampling.sample import EstimateOptions as EstimateOptions
    from pitmap.accuracy.sampling.sample import SampleEstimate as SampleEstimate
    from pitmap.accuracy.sampling.sample import estimate as estimate
    from pitmap.changes.change import change as change
    from pitmap.changes.result import Change as Change
    from pitmap.changes.result import ChangeOptions as ChangeOptions
    from pitmap.cluster import cluster_at as cluster_at
    from pitmap.comparison.comparison import ComparisonRun as ComparisonRun
    from pitmap.comparison.comparison import compare as compare
    from pitmap.deliver.onnx_model import OnnxExport as OnnxExport
    from pitmap.deliver.onnx_model import export_onnx as export_onnx
    from pitmap.deliver.stac import Catalogue as Catalogue
    from pitmap.deliver.stac import write_stac as write_stac
    from pitmap.errors import PitmapError as PitmapError
    from pitmap.grid import Grid as Grid
    from pitmap.imagery.options import PrepareOptions as PrepareOptions
    from pitmap.imagery.prepare import PrepareReport as PrepareReport
    from pitmap.imagery.prepare import prepare as prepare
    from pitmap.legend import LandCoverClass as LandCoverClass
    from pitmap.legend import Legend as Legend
    from pitmap.mapping.mines import Mines as Mines
    from pitmap.mapping.mines import extract_mines as extract_mines
    from pitmap.mapping.prediction import MapOptions as MapOptions
    from pitmap.mapping.prediction import MapReport as MapReport
    from pitmap.mapping.prediction import map_image as map_image
    from pitmap.mapping.review import Review as Review
    from pitmap.mapping.review import ReviewOptions as ReviewOptions
    from pitmap.mapping.review import review as review
    from pitmap.mapping.scenes import MapRun as MapRun
    from pitmap.mapping.scenes import map_images as map_images
    from pitmap.mapping.study import map_scenes as map_scenes
    from pitmap.networks.model_card import ModelCard as ModelCard
    from pitmap.networks.model_file import load_model as load_model
    from pitmap.observer import Observer as Observer
    from pitmap.reporting.map_page import MapPage as MapPage
    from pitmap.reporting.map_page import MapReportOptions as MapReportOptions
    from pitmap.reporting.map_page import report_map as report_map
    from pitmap.samples.dataset import SampleSet as SampleSet
    from pitmap.study.study import Study as Study
    from pitmap.study.study import load_study as load_study
    from pitmap.workflow import Report as Report
    from pitmap.workflow import StudyRun as StudyRun
    from pitmap.workflow import assess_study as assess_study
    from pitmap.workflow import model_path as model_path
    from pitmap.workflow import report as report
    from pitmap.workflow import run as run
    from pitmap.workflow import sample as sample
    from pitmap.workflow import train as train
else:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


__all__ = [*_MODULES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
