"""`python -m graph`: the API process."""

from graph.core.memory import leave_out_rich


def main() -> None:
    """Serve; nothing may be imported before `rich` is left out."""
    leave_out_rich()
    from graph.app import main as serve

    serve()


main()
