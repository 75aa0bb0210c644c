"""Builds the zip that QGIS installs: the same sources, the same bytes.

python3 qgis_plugin/build_plugin.py build/pitmap_qgis.zip
"""

import sys
import zipfile
from pathlib import Path

PLUGIN = Path(__file__).with_name("pitmap_qgis")


def build(path: Path) -> None:
    """Write the zip: the plugin's folder, without what Python leaves there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in PLUGIN.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    temporary = path.with_name(path.name + ".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(PLUGIN.parent).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, file.read_bytes(), compresslevel=9)
    temporary.replace(path)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(f"Wrote {sys.argv[1]}.")
