"""Webhooks: the outbox of deliveries that are due."""
