"""Builds the zip that QGIS installs: the same sources, the same bytes.

python3 qgis_plugin/build_plugin.py build/pitmap_qgis.zip
python3 qgis_plugin/build_plugin.py build/pitmap_qgis.zip --email E --repository URL --tracker URL

QGIS installs the first. The catalogue plugins.qgis.org asks whoever publishes a plugin for three addresses: they are
those of the publisher, and the sources have none.
"""

import argparse
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

PLUGIN = Path(__file__).with_name("pitmap_qgis")
ADDRESSES = ("email", "repository", "tracker")


def build(path: Path, addresses: Mapping[str, str]) -> None:
    """Write the zip: the plugin's folder, without what Python leaves there.

    Args:
        path: Of the zip.
        addresses: Of the publisher, by their keys in metadata.txt; those left out stay empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in PLUGIN.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    temporary = path.with_name(path.name + ".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(PLUGIN.parent).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            content = file.read_bytes()
            if file.name == "metadata.txt":
                content = with_addresses(content.decode(), addresses).encode()
            archive.writestr(entry, content, compresslevel=9)
    temporary.replace(path)


def with_addresses(metadata: str, addresses: Mapping[str, str]) -> str:
    """The text of metadata.txt with addresses in their places."""
    for key, value in addresses.items():
        metadata = re.sub(rf"(?m)^{key}=.*$", lambda _, line=f"{key}={value}": line, metadata)
    return metadata


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="Builds the plugin of QGIS.")
    parser.add_argument("zip", type=Path)
    for key in ADDRESSES:
        parser.add_argument(f"--{key}", default="", help=f"{key} of whoever publishes the plugin")
    given = parser.parse_args()
    addresses = {key: getattr(given, key) for key in ADDRESSES if getattr(given, key)}
    build(given.zip, addresses)
    print(f"Wrote {given.zip}.")
    if missing := [key for key in ADDRESSES if key not in addresses]:
        print(f"QGIS installs it; plugins.qgis.org would ask for: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
