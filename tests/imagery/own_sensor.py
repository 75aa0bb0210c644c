"""A sensor of one's own, as a user would write it: a folder with ``image.tif`` in units of reflectance x 200."""

from dataclasses import dataclass
from pathlib import Path

from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.ortho import MapModel
from pitmap.imagery.scene import Radiometry, Scene, Source
from pitmap.raster.reading import describe


@dataclass(frozen=True)
class Own:
    """A delivery."""

    path: Path

    def to_json(self) -> dict[str, str]:
        return {"product": self.path.name}

    def scene(self, folder: Path, options: PrepareOptions) -> Scene:
        image = self.path / "image.tif"
        used = Radiometry("own", (0.005,) * 2, (0.0,) * 2)
        return Scene(image, MapModel(describe(image).grid), ("a", "b"), 4.0, Source(self.path.name, "OWN 1"), used, 255)


def recognise(path: Path) -> Own | None:
    return Own(path) if (path / "image.tif").exists() else None
