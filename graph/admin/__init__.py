"""What administrators see: the state of the whole system."""
