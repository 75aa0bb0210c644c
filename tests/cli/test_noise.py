import subprocess
import sys

CODE = """
import sys, types
from pitmap.cli.noise import hush
hush()
error = UnicodeDecodeError("utf-8", b"\\x84", 0, 1, "invalid start byte")
sys.excepthook(UnicodeDecodeError, error, None)
sys.unraisablehook(types.SimpleNamespace(object="rasterio._env.log_error", exc_value=error))
try:
    int("x")
except ValueError as own:
    sys.excepthook(ValueError, own, own.__traceback__)
"""


def test_what_compiled_code_prints_is_kept_from_the_screen_and_what_python_says_is_not():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "UnicodeDecodeError" not in done.stderr
    assert "ValueError: invalid literal" in done.stderr
