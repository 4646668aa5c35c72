"""HTTP: requests and retries, uploads, downloads, event streams, and JSON as records."""
