"""`python -m mato` is the `mato` command."""

from mato.entry import main

main()
