"""Who may do what: API keys, the check of each request, and rate limits."""
