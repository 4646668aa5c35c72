"""Parsing and validation of requests (bodies, uploads, pages, options), and submission of jobs."""
