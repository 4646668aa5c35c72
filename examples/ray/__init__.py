"""Classification on a Ray cluster."""
