"""What of a study's sites the results depend on: how they are to be read, and what their files hold."""

from __future__ import annotations

from typing import Any

from pitmap.currency import digest
from pitmap.study.study import Study

FILES = frozenset({"image", "labels", "corrections", "extent", "exclude", "groups"})
"""Fields of a site that name files: their content counts, and not where it lies."""


def site_inputs(study: Study) -> list[dict[str, Any]]:
    """The part of a key (see ``currency``) that stands for the sites: settings, names, and contents of files.

    Args:
        study: The study.

    Raises:
        PitmapError: A file cannot be read.
    """
    return [
        {
            "settings": site.model_dump(exclude=set(FILES)),
            "extent": None if site.extent is None else digest(study.place(site.extent)),
            "exclude": sorted(digest(study.place(layer)) for layer in site.exclude),
            "scenes": [
                {
                    "name": scene.name,
                    "group": scene.group,
                    "image": digest(scene.image),
                    "labels": None if scene.labels is None else digest(scene.labels),
                    "corrections": None if scene.corrections is None else digest(scene.corrections),
                }
                for scene in study.scenes
                if scene.site.name == site.name
            ],
        }
        for site in study.sites
    ]
