"""HTTP: requests and their retries, uploads, downloads, event streams, and JSON as records."""
