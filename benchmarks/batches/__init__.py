"""What a batch is held against: the loop that one would write, and reading and decoding alone."""
