"""Pipelines: named, with immutable versions of what they do; checked by the engine alone."""
