"""Entry point of `python -m glassbox`."""

from glassbox.cli import main

main()
