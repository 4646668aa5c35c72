"""Middleware for the requests and responses of all resources."""
