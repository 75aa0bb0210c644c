"""The demonstration: two simulated sites as in the paper, from raw GF-2 products to the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pitmap import workflow
from pitmap.files import make_folder, write_text
from pitmap.observer import SILENT, Observer, Part
from pitmap.study.study import load_study

SIZES = {"site1": (320, 320), "site2": (704, 704)}
"""Rows and columns of the two sites: small and without water, large, as in Chen et al. (2022)."""

PROJECT = """\
# The demonstration of pitmap: a simulated mining landscape, small enough for a processor.

[project]
name = "Simulated mining landscape"
results = "results"
seed = {seed}
{sites}
[samples]
patch = 128

[training]
width = 8                            # 16 is the default on a processor
epochs = 50

[mapping]
minimum_mapping_unit_m2 = 1000       # the paper's smallest mine has 1361 m2
"""

SITE = """
[[sites]]
name = "{name}"
image = "{name}/image.tif"           # made by: pitmap prepare {product} {name}/image.tif --dem {name}/dem.tif
labels = "{name}/{name}-landuse.gpkg"
label_field = "class"
"""


@dataclass(frozen=True)
class DemoFiles:
    """What the demonstration starts from, a site.

    Attributes:
        product: The simulated delivery, tar.gz.
        image: The reflectance image made of it.
    """

    product: Path
    image: Path


def run_demo(
    folder: Path,
    seed: int = 0,
    observer: Observer = SILENT,
) -> workflow.StudyRun:
    """Simulate two sites and their products, prepare the images, and run the study on them.

    What is up to date is skipped, so that running again after an interruption goes on.

    Raises:
        OutputError: The folder cannot be written to.
    """
    make_folder(folder)
    tables = ""
    for number, name in enumerate(SIZES):
        part = Part(observer, number / len(SIZES), (number + 1) / len(SIZES), f"simulating {name}")
        files = make_site(folder / name, name, seed, part)
        observer.say(f"{name}: {files.product.name} calibrated and orthorectified to {files.image}.")
        tables += SITE.format(name=name, product=f"{name}/{files.product.name}")
    path = folder / "pitmap.toml"
    text = PROJECT.format(seed=seed, sites=tables)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return workflow.run(load_study(path), observer=observer)


def make_site(folder: Path, name: str, seed: int, observer: Observer = SILENT) -> DemoFiles:
    """Simulate a site, its land-use map and a GF-2 product of it, and prepare the image.

    Args:
        folder: Where its files go.
        name: ``site1`` or ``site2``.
        seed: Of the landscape.
        observer: Told of the progress.
    """
    from pitmap.imagery.options import PrepareOptions
    from pitmap.imagery.prepare import prepare
    from pitmap.simulate.landscape import simulate, sites
    from pitmap.simulate.product import ProductOptions, write_product
    from pitmap.simulate.site_files import write_site

    image = folder / "image.tif"
    known = sorted(folder.glob("GF2_*.tar.gz"))
    if known and image.exists():
        return DemoFiles(known[0], image)
    height, width = SIZES[name]
    parameters = replace(sites(seed=seed)[name], height=height, width=width)
    landscape = simulate(parameters)
    observer.progress(f"simulating {name}", 0.3)
    write_site(folder, landscape, name)
    options = ProductOptions(day=parameters.date, pan=False, noise_dn=1.0, seed=seed)
    product = write_product(folder, landscape, options, Part(observer, 0.3, 0.7))
    # The map's grid is the landscape's own: beyond it there is neither land-use map nor truth.
    x_min, y_min, x_max, y_max = landscape.grid.bounds
    wanted = PrepareOptions(dem=product.dem, crs=f"EPSG:{parameters.epsg}", extent=(x_min, y_min, x_max, y_max))
    prepare(product.path, image, wanted, Part(observer, 0.7, 1.0))
    return DemoFiles(product.path, image)
