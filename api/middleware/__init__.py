"""Middleware: what every request and response passes through, whatever the resource."""
