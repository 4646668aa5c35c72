"""Resumable uploads on the volume: received in parts, concatenated, used by data sets and batches, and expired."""
