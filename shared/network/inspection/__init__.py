"""Inspection of a trained network: its most confident errors, and units that no image activates."""
