"""`python -m glassbox`: the command."""

from glassbox.cli import main

main()
