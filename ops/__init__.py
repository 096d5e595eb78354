"""What surrounds the service: the command, the embedded stack, generated files, the demo, the set-up."""
