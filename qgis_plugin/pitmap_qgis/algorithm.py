"""One class for all algorithms: from a description to parameters of Processing, a run of pitmap, and layers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingParameterVectorLayer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtGui import QIcon

from . import command, process
from . import descriptions as d
from .messages import Event, Heard, read_event, value_at, values_at
from .settings import pitmap_setting

ICON = str(Path(__file__).with_name("icon.svg"))


class PitmapAlgorithm(QgsProcessingAlgorithm):
    """A command of pitmap.

    Args:
        description: Of the command.
    """

    def __init__(self, description: d.Description) -> None:
        super().__init__()
        self._description = description

    def createInstance(self):
        return PitmapAlgorithm(self._description)

    def name(self):
        return self._description.command

    def displayName(self):
        return self._description.title

    def group(self):
        return self._description.group

    def groupId(self):
        return self._description.group.lower()

    def shortHelpString(self):
        return self._description.help

    def icon(self):
        return QIcon(ICON)

    def initAlgorithm(self, configuration=None):
        for parameter in self._description.parameters:
            definition = _definition(parameter)
            if parameter.advanced:
                definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
            self.addParameter(definition)
        kinds = {
            "number": QgsProcessingOutputNumber, "text": QgsProcessingOutputString, "page": QgsProcessingOutputHtml
        }  # fmt: skip
        for figure in self._description.figures:
            self.addOutput(kinds[figure.kind](figure.name, figure.label))
        self.addOutput(QgsProcessingOutputString("SUMMARY", "In one sentence"))

    def processAlgorithm(self, parameters, context, feedback):
        try:
            values = {p.name: self._value(p, parameters, context) for p in self._description.parameters}
            line = command.find_pitmap(pitmap_setting()) + command.arguments(self._description, values)
        except command.CommandError as error:
            raise QgsProcessingException(str(error)) from error
        ended, heard, summary = self._run(line, feedback)
        if ended.cancelled:
            raise QgsProcessingException(heard.errors[-1] if heard.errors else "Cancelled.")
        if ended.code != 0:
            raise QgsProcessingException(heard.reason(ended.code))
        return self._results(json.loads(ended.out), values, summary, context)

    def _run(self, line: list[str], feedback) -> tuple[process.Ended, Heard, str]:
        feedback.pushCommandInfo(command.shown(line))
        heard, summary = Heard(), [""]

        def hear(text: str) -> None:
            event = read_event(text)
            heard.add(event)
            if event.kind == "summary":
                summary[0] = event.text
            _show(event, feedback)

        try:
            ended = process.run(line, command.environment(os.environ), hear, feedback.isCanceled)
        except OSError as error:
            raise QgsProcessingException(f"{line[0]} cannot be started: {error}. {command.ABSENT}") from error
        return ended, heard, summary[0]

    def _value(self, p: d.Parameter, parameters, context) -> Any:
        """What a parameter is set to, in plain values; None where it is left out."""
        if p.kind == d.FLAG:
            return self.parameterAsBool(parameters, p.name, context)
        if parameters.get(p.name) is None and p.default is None:
            return None
        if p.kind in (d.RASTER_OUT, d.VECTOR_OUT):
            return _file_written(self.parameterAsOutputLayer(parameters, p.name, context))
        if p.kind in (d.FILE_OUT, d.FOLDER_OUT):
            return self.parameterAsFileOutput(parameters, p.name, context)
        if p.kind in (d.RASTER, d.VECTOR):
            read = self.parameterAsRasterLayer if p.kind == d.RASTER else self.parameterAsVectorLayer
            layer = read(parameters, p.name, context)
            if layer is None:
                raise command.CommandError(f"{p.label}: {parameters.get(p.name)} cannot be opened as a layer.")
            return _source(layer)
        if p.kind in (d.RASTERS, d.VECTORS):
            return [_source(layer) for layer in self.parameterAsLayerList(parameters, p.name, context)]
        if p.kind == d.NUMBER:
            return self.parameterAsDouble(parameters, p.name, context)
        if p.kind == d.INTEGER:
            return self.parameterAsInt(parameters, p.name, context)
        if p.kind == d.CHOICE:
            return p.choices[self.parameterAsEnum(parameters, p.name, context)]
        if p.kind == d.CRS:
            crs = self.parameterAsCrs(parameters, p.name, context)
            return (crs.authid() or crs.toWkt()) if crs.isValid() else None
        text = self.parameterAsString(parameters, p.name, context).strip()
        return [part.strip() for part in text.split(",") if part.strip()] if p.kind == d.WORDS else text

    def _results(self, content: dict[str, Any], values: dict[str, Any], summary: str, context) -> dict[str, Any]:
        results: dict[str, Any] = {"SUMMARY": summary}
        for p in self._description.parameters:
            path = values[p.name]
            if p.is_output and path:
                results[p.name] = path
                if p.layers:
                    results[p.name] = f"{path}|layername={p.layers[-1]}"
                _load(path, p.layers, context)
        for loaded in self._description.loaded if values.get("LOAD") else ():
            for path in values_at(content, loaded.path):
                _load_beside(str(path), loaded, context)
        for figure in self._description.figures:
            value = value_at(content, figure.path)
            if value is not None:
                results[figure.name] = value
        return results


def _definition(p: d.Parameter) -> QgsProcessingParameterDefinition:
    """The parameter as Processing knows it."""
    common = {"optional": p.optional}
    made = not p.optional
    if p.kind == d.RASTER:
        return QgsProcessingParameterRasterLayer(p.name, p.label, **common)
    if p.kind == d.VECTOR:
        return QgsProcessingParameterVectorLayer(p.name, p.label, [QgsProcessing.TypeVector], **common)
    if p.kind in (d.RASTERS, d.VECTORS):
        kind = QgsProcessing.TypeRaster if p.kind == d.RASTERS else QgsProcessing.TypeVectorAnyGeometry
        return QgsProcessingParameterMultipleLayers(p.name, p.label, kind, **common)
    if p.kind == d.FILE:
        return QgsProcessingParameterFile(p.name, p.label, extension=p.suffix, **common)
    if p.kind == d.FOLDER:
        return QgsProcessingParameterFile(p.name, p.label, QgsProcessingParameterFile.Folder, **common)
    if p.kind in (d.NUMBER, d.INTEGER):
        number = QgsProcessingParameterNumber.Double if p.kind == d.NUMBER else QgsProcessingParameterNumber.Integer
        return QgsProcessingParameterNumber(p.name, p.label, number, p.default, **common)
    if p.kind == d.CHOICE:
        default = None if p.default is None else p.choices.index(p.default)
        return QgsProcessingParameterEnum(p.name, p.label, list(p.choices), False, default, **common)
    if p.kind == d.FLAG:
        return QgsProcessingParameterBoolean(p.name, p.label, p.default, **common)
    if p.kind == d.CRS:
        return QgsProcessingParameterCrs(p.name, p.label, **common)
    if p.kind == d.RASTER_OUT:
        return QgsProcessingParameterRasterDestination(p.name, p.label, None, p.optional, made)
    if p.kind == d.VECTOR_OUT:
        return QgsProcessingParameterVectorDestination(
            p.name, p.label, QgsProcessing.TypeVectorAnyGeometry, None, p.optional, made
        )
    if p.kind == d.FILE_OUT:
        files = f"{p.suffix.upper()} (*.{p.suffix})"
        return QgsProcessingParameterFileDestination(p.name, p.label, files, None, p.optional, made)
    if p.kind == d.FOLDER_OUT:
        return QgsProcessingParameterFolderDestination(p.name, p.label, None, p.optional, made)
    return QgsProcessingParameterString(p.name, p.label, p.default, **common)


def _source(layer: QgsMapLayer) -> command.Source:
    """The file of a layer.

    Raises:
        CommandError: It has none that another program could read.
    """
    if layer.providerType() not in ("ogr", "gdal"):
        raise command.CommandError(f"The layer {layer.name()} is no file: save it as one first.")
    return command.source_of(layer.source())


def _file_written(destination: str) -> str:
    """The path in the address of an output, which pitmap alone decides on: no tables of databases.

    Raises:
        CommandError: It is no file.
    """
    if destination.startswith(("memory:", "postgis:", "ogr:", "mssql:", "oracle:", "spatialite:")):
        raise command.CommandError(f"pitmap writes files: {destination} is none.")
    return destination


class _Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives loaded layers the styles that pitmap left beside them: Processing loads layers without."""

    def postProcessLayer(self, layer, context, feedback):
        layer.loadDefaultStyle()
        layer.triggerRepaint()


_alive: list[_Styled] = []
"""Those that a context will use: it deletes them at its end, but does not keep their Python side alive."""


def _styled() -> _Styled:
    _alive[:] = [one for one in _alive if not sip.isdeleted(one)]
    _alive.append(_Styled())
    return _alive[-1]


def _load(path: str, layers: tuple[str, ...], context) -> None:
    """Where a file is to be loaded, load it with its style; of a vector file the layers that are meant."""
    wanted = dict(context.layersToLoadOnCompletion())
    details = wanted.pop(path, None)
    if details is None:
        return
    for layer in layers or ("",):
        own = QgsProcessingContext.LayerDetails(details)
        own.name = details.name if len(layers) < 2 else f"{details.name}: {layer}"
        own.setPostProcessor(_styled())
        wanted[f"{path}|layername={layer}" if layer else path] = own
    context.setLayersToLoadOnCompletion(wanted)


def _load_beside(path: str, loaded: d.Loaded, context) -> None:
    """Load a layer that no output of the algorithm stands for; without a project, as in ``qgis_process``, nothing."""
    if context.project() is None:
        return
    details = QgsProcessingContext.LayerDetails(loaded.label, context.project())
    details.setPostProcessor(_styled())
    context.addLayerToLoadOnCompletion(f"{path}|layername={loaded.layer}" if loaded.layer else path, details)


def _show(event: Event, feedback) -> None:
    if event.kind == "progress":
        feedback.setProgress(100 * event.share)
        feedback.setProgressText(event.progress_text())
    elif event.kind == "warning":
        feedback.pushWarning(event.text)
    elif event.kind == "line":
        feedback.pushConsoleInfo(event.text)
    elif event.kind != "error":  # what fails the algorithm is shown as that
        feedback.pushInfo(event.text)
