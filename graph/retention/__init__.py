"""How long what is kept, and what in storage nobody points to."""
