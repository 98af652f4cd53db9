"""`python -m fairlead`: the command line."""

from fairlead.cli.main import main

main()
