"""Runs algorithms of the plugin in QGIS, as JSON: run by QGIS's Python, which is not that of pitmap.

python3 algorithms_in_qgis.py FOLDER_OF_PLUGIN JOBS.json, where a job has ``id``, ``parameters`` and, if wanted,
``cancel_after`` (a text of the log after which the user cancels) and ``load`` (outputs that are loaded).
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
)

folder, jobs = sys.argv[1:3]
application = QgsApplication([], True)
application.initQgis()
sys.path[:0] = [folder, str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins")]

from processing.core.Processing import Processing  # noqa: E402
from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: E402

Processing.initialize()
import pitmap_qgis  # noqa: E402

plugin = pitmap_qgis.classFactory(None)
plugin.initProcessing()
provider = QgsApplication.processingRegistry().providerById("pitmap")


class Feedback(QgsProcessingFeedback):
    """Keeps what it is told."""

    def __init__(self, cancel_after):
        super().__init__(False)
        self.log, self.shares, self.steps, self.cancel_after = [], [], [], cancel_after
        self.progressChanged.connect(self.shares.append)

    def hear(self, text):
        self.log.append(text)
        if self.cancel_after and self.cancel_after in text:
            self.cancel()

    def pushInfo(self, info):  # noqa: N802
        self.hear(info)

    def pushWarning(self, warning):  # noqa: N802
        self.hear("Warning: " + warning)

    def pushCommandInfo(self, info):  # noqa: N802
        self.hear(info)

    def pushConsoleInfo(self, info):  # noqa: N802
        self.hear(info)

    def setProgressText(self, text):  # noqa: N802
        self.steps.append(text)
        self.hear(text)


def shown(layer):
    """A layer that was loaded into the project."""
    renderer = layer.renderer()
    return {
        "name": layer.name(),
        "renderer": renderer.type(),
        "features": layer.featureCount() if hasattr(layer, "featureCount") else None,
        "classes": [c.label for c in renderer.classes()] if renderer.type() == "paletted" else None,
        "legend": [item.label() for item in renderer.legendSymbolItems()] if hasattr(layer, "fields") else None,
    }


told = []
for job in json.loads(Path(jobs).read_text()):
    context, feedback = QgsProcessingContext(), Feedback(job.get("cancel_after"))
    context.setProject(QgsProject.instance())
    context.setFeedback(feedback)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(job["id"])
    parameters = dict(job["parameters"])
    for name in job.get("load", []):
        parameters[name] = QgsProcessingOutputLayerDefinition(parameters[name], QgsProject.instance())
    fits, problem = algorithm.checkParameterValues(parameters, context)
    results, ok = algorithm.run(parameters, context, feedback)
    if ok:
        handleAlgorithmResults(algorithm, context, feedback, parameters)
    layers = [shown(layer) for layer in QgsProject.instance().mapLayers().values()]
    QgsProject.instance().clear()
    told.append({
        "id": job["id"], "ok": ok, "fits": fits, "problem": problem, "results": results if ok else {},
        "log": feedback.log, "shares": feedback.shares, "errors": "" if ok else feedback.textLog(), "layers": layers,
    })  # fmt: skip
print("SHOWN " + json.dumps({"algorithms": {a.id(): a.displayName() for a in provider.algorithms()}, "told": told}))
sys.stdout.flush()
os._exit(0)  # Qt's own ending may crash without a display; everything has been said
