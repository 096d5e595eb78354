"""What every feature stands on: settings, store, storage, queue, events, security, errors, telemetry.

Architecture invariant: nothing here knows a feature, a table or GraphQL; workers and Flight import this package,
so it must never import strawberry or starlette.
"""
