"""Readers of single formats: what of a file is decoded, and at what cost at most."""
