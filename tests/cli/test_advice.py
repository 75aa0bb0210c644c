from typer.main import get_command

from pitmap.cli import app
from pitmap.cli.advice import LONGEST, advised
from pitmap.errors import ImageError


def test_the_flags_of_the_command_are_added():
    parameters = get_command(app).commands["map"].params
    error = ImageError("Found.", "Expected.", "Give the size of a pixel and the bands.", ["pixel_size_m", "bands"])
    assert (
        advised(error, parameters) == "Found. Expected. Give the size of a pixel and the bands (--pixel-size, --bands)."
    )


def test_options_that_the_command_lacks_are_not_spoken_of():
    error = ImageError("Found.", "", "Give a scale.", ["scale", "model"])
    assert advised(error, get_command(app).commands["audit"].params) == "Found. Give a scale."
    assert advised(ImageError("Found."), get_command(app).commands["map"].params) == "Found."


def test_what_a_file_holds_does_not_flood_the_screen_nor_move_its_cursor():
    text = advised(ImageError("\x1b[2J" + "9" * 100_000, "", "Mend it."), ())
    assert "\x1b" not in text
    assert len(text) < LONGEST + 100
    assert text.endswith("Mend it.")
    assert "characters left out" in text
