"""The `karyaksham` command."""
