"""Project files for real images beside the checkout, in `../shared/data`, other than the Strzegom series."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def write_gid(folder: Path, seed: int = 0, more: str = "") -> Path:
    """120 Gaofen-2 crops (RGB, display values, no georeference) with 15 classes, split by overlap group.

    Code 0 of the files is a class (industrial land); their last code is "undefined".
    """
    data = DATA / "gid_gf2_rgb"
    legend = [row.split(",") for row in (data / "legend_mtl15.csv").read_text(encoding="utf-8").splitlines()[1:]]
    text = f'[project]\nname = "GID, Gaofen-2"\nseed = {seed}\n[samples]\nsplit = "groups"\n'
    for code, name, colour in legend[:-1]:
        text += f'[[classes]]\ncode = {int(code) + 1}\nkey = "C{code}"\nname = "{name}"\ncolour = "{colour}"\n'
    values = ", ".join(f'{code} = "C{code}"' for code, _, _ in legend[:-1])
    text += (
        f'[[sites]]\nname = "gid"\nimage = "{data}/GID-MTL15/image/*.tif"\n'
        f'labels = "{data}/GID-MTL15/label_gray/{{stem}}.tif"\n'
        f'label_values = {{ {values}, {legend[-1][0]} = "" }}\n'
        f'groups = {{ table = "{data}/overlap_group.csv", group = "overlap_group" }}\n'
    )
    return _written(folder, text + more)


def write_aberystwyth(folder: Path, seed: int = 0, more: str = "") -> Path:
    """A Sentinel-2 mosaic with vector samples, one layer a class without attributes."""
    data = DATA / "aberystwyth_s2"
    classes = (("WAT", "water", "#2b6cb0"), ("GRA", "grass", "#a6d96a"), ("FOR", "forest", "#1b7837"),
               ("URB", "urban", "#8a4fa3"))  # fmt: skip
    text = f'[project]\nname = "Aberystwyth"\nseed = {seed}\n[samples]\nblock_m = 300\n'
    for code, (key, name, colour) in enumerate(classes, start=1):
        text += f'[[classes]]\ncode = {code}\nkey = "{key}"\nname = "{name}"\ncolour = "{colour}"\n'
    layers = ", ".join(f'cls_{name}_smpls = "{key}"' for key, name, _ in classes)
    text += (
        f'[[sites]]\nname = "aber"\nimage = "{data}/sen2_20210527_aber_mosaic.tif"\nbands = [1, 2, 3, 7]\n'
        f'scale = 0.001\nnodata = 0\nlabels = "{data}/cls_poly_smpls.gpkg"\nlabel_layers = {{ {layers} }}\n'
    )
    return _written(folder, text + more)


def _written(folder: Path, text: str) -> Path:
    path = folder / "pitmap.toml"
    path.write_text(text, encoding="utf-8")
    return path
