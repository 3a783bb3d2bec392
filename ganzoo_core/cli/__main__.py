"""`python -m ganzoo_core.cli`, where the command is not on the path."""

from ganzoo_core.cli.main import main

main()
