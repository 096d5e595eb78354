"""Uploads: a file goes from the browser straight to object storage, in parts, and becomes a data set.

Architecture invariant: no byte of a file passes through the API; it only signs, lists, completes and checks.
"""
