"""Backup and restore: everything that must outlive a deployment, in one file that tells whether it is whole.

    python -m worker.backup save > FILE                 while jobs run
    python -m worker.backup verify [--empty] < FILE     also whether there is nothing yet that it would replace
    python -m worker.backup restore [--force] < FILE    while none runs

What refers to something is read before what it refers to: the records first, then the jobs' folders, the models, the
data sets. All of them are written the other way round, so whatever a backup mentions is in it, too. `archive.py` has
the file's form, `saving.py` the order, `restoring.py` the way back.
"""
