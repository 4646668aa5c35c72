"""The comparisons of the batch benchmark: a simple loop, and only reading and decoding."""
