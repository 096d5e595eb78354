"""`python -m graph`: the API process."""

from graph.app import main

main()
