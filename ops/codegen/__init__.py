"""Generated contracts: `python -m ops.codegen` writes them, `--check` fails when one is stale.

One direction only: the Rust enum of steps → JSON Schema → Strawberry inputs → SDL → TypeScript.
"""
