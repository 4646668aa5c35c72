"""Formats of a batch's results besides JSON lines: CSV, `.npz` and Parquet, converted from the shards' files."""
