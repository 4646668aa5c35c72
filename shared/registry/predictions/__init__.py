"""The predictions of an evaluation: their file, filtered and ordered pages, and the comparison of two evaluations."""
