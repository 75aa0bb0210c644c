"""Writes the pages of ``docs`` that are made from the code: ``make docs``.

``outputs.md`` and the pictures take minutes and are made by ``python tests/docs/outputs_page.py`` and
``python tests/docs/pictures.py``.
"""

from pathlib import Path

from docs import commands_page, python_page, reference_page
from pitmap.study import document

DOCS = Path(__file__).parents[2] / "docs"

PAGES = {
    "commands.md": commands_page.page,
    "python.md": lambda: python_page.page_with(python_page.table()),
    "python-reference.md": reference_page.page,
    "project-file.md": document.page,
    document.SCHEMA_FILE: document.json_schema,
}
"""What makes the content of each file."""

if __name__ == "__main__":
    for name, content in PAGES.items():
        (DOCS / name).write_text(content(), encoding="utf-8")
