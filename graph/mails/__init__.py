"""Mails to people: the outbox, the texts, and what workers do with them."""
