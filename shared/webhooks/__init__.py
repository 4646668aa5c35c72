"""Webhooks: the transactional outbox of their deliveries."""
