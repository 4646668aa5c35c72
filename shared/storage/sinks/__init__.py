"""Sinks: the places outside the volume to which batches write their results, in folders and in object stores."""
