"""Workspaces: tenants and the roles of their members."""
