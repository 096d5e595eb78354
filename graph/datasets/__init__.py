"""Data sets: files in storage with what inspection found out about them."""
