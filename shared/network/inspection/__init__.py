"""Inspection of a trained network: its most confident errors, and its dead units."""
