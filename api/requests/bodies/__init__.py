"""Bodies of requests: content codings, forms, uploads, JSON."""
