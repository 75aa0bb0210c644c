from docs.python_page import PAGE, page_with, table


def test_the_page_has_every_name_with_its_line():
    """``python tests/docs/python_page.py`` writes the table anew."""
    assert page_with(table()) == PAGE.read_text(encoding="utf-8")
