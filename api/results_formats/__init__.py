"""Formats of a batch's results beside JSON lines: CSV, `.npz` and Parquet, made from the shards' files."""
