"""Selection: candidates for a data set, a race between them (successive halving), and the training of the winner.

The preset `auto` is this package. Budgets are estimated operations, never seconds, so that a race is reproducible.
"""
