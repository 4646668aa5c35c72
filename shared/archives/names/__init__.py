"""Names of entries: their encoding, and the files that systems and tools leave among images."""
