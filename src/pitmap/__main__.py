"""``python -m pitmap``."""

from pitmap.cli import main

main()
