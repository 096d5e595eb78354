"""The demo of `make demo`: the whole way of a file, on real parts."""
