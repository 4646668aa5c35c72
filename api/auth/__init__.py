"""Authentication and authorization: API keys, the check of each request, and rate limits."""
