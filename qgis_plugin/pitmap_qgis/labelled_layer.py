"""A sample of points or a review queue, as it is labelled: each answer is written to the file at once."""

from __future__ import annotations

from pathlib import Path

from qgis.core import NULL, QgsCoordinateReferenceSystem, QgsFeature, QgsFeatureRequest, QgsGeometry, QgsVectorLayer

from .command import CommandError
from .stepping import Choice, Stepping, choices_of

FIELD, DOUBTFUL, COMMENT, NUMBER, RANK = "reference", "doubtful", "comment", "point_id", "rank"


class LabelledLayer:
    """Opens a file and steps through its features.

    Of points nothing is read but their place, number and pictures; of a review queue, beside its outline, its rank and
    area: the class that the map gives is not asked for.

    Args:
        path: A GeoPackage of `pitmap design` or `pitmap review`.

    Raises:
        CommandError: It is none.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        for name in ("points", "review"):
            layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
            if layer.isValid():
                break
        else:
            raise CommandError(f"{path} is neither a sample of points nor a review queue of pitmap.")
        self.layer, self.is_sample = layer, name == "points"
        self._index = layer.fields().indexOf(FIELD)
        setup = layer.editorWidgetSetup(self._index)
        if self._index < 0 or setup.type() != "ValueMap":
            raise CommandError(f"{path} has no list of classes for its field {FIELD}.")
        self.choices: list[Choice] = choices_of(setup.config()["map"])
        request = QgsFeatureRequest().setFlags(QgsFeatureRequest.NoGeometry)
        known = [RANK] if not self.is_sample else []
        request.setSubsetOfAttributes([FIELD, *known], layer.fields())
        rows = [(f[RANK] if known else f.id(), f.id(), _blank(f[FIELD])) for f in layer.getFeatures(request)]
        if not rows:
            raise CommandError(f"{path} has no features.")
        rows.sort()
        self.stepping = Stepping([fid for _, fid, _ in rows], [fid for _, fid, blank in rows if not blank])

    @property
    def crs(self) -> QgsCoordinateReferenceSystem:
        """Of the features."""
        return self.layer.crs()

    def feature(self) -> QgsFeature:
        """The current feature as the file has it."""
        return self.layer.getFeature(self.stepping.current)

    def geometry(self) -> QgsGeometry:
        """Its point or outline."""
        return self.feature().geometry()

    def title(self) -> str:
        """What it is called, without what the map says of it."""
        feature = self.feature()
        if self.is_sample:
            return f"Point {feature[NUMBER]}"
        area = f" · {feature['area_ha']:.1f} ha" if self.has("area_ha") else ""
        return f"No. {feature[RANK]}{area}"

    def answer(self) -> Choice | None:
        """The answer that was given; None where there is none."""
        given = self.feature()[FIELD]
        return next((c for c in self.choices if not _blank(given) and str(c.value) == str(given)), None)

    def pictures(self) -> list[Path]:
        """Pictures of the point that are there."""
        names = [f.name() for f in self.layer.fields() if f.name().startswith("chip")]
        feature = self.feature()
        found = [self.path.parent / str(feature[n]) for n in names if not _blank(feature[n])]
        return [p for p in found if p.is_file()]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return self.layer.fields().indexOf(name) >= 0

    def value(self, name: str):
        """Value of a field to be filled in (``doubtful``, ``comment``); None where it is empty or there is no field."""
        if not self.has(name):
            return None
        value = self.feature()[name]
        return None if value == NULL else value

    def give(self, choice: Choice | None) -> None:
        """Write an answer, or take it away.

        Raises:
            CommandError: The file cannot be written.
        """
        value = None if choice is None else choice.value
        number = self.layer.fields().at(self._index).isNumeric()
        self.write(FIELD, int(value) if number and value is not None else value)
        self.stepping.mark(choice is not None)

    def write(self, name: str, value) -> None:
        """Write a value of the current feature into the file, at once.

        Raises:
            CommandError: The file cannot be written.
        """
        index = self.layer.fields().indexOf(name)
        if not self.layer.dataProvider().changeAttributeValues({self.stepping.current: {index: value}}):
            raise CommandError(f"{self.path} cannot be written; is it open elsewhere, or read-only?")


def _blank(value) -> bool:
    return value is None or value == NULL or value == ""
