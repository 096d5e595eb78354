"""`python -m graph`: the API process."""

from graph.core.memory import leave_out_rich

leave_out_rich()

from graph.app import main  # noqa: E402  # only now

main()
