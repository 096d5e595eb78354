"""Webhooks: signed messages about jobs that have ended."""
