"""The making of an archive's index: on the volume, in memory that does not grow with the number of entries."""
