"""Data sets, their images and their summaries."""
