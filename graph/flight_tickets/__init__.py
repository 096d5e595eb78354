"""What the Flight server asks the API: who may read which table, and a signed ticket for it."""
