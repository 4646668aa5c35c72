"""Data sets as arrays: `.npz`, IDX files, and CSV files of labels and pixels."""
