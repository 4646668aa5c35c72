"""Backup and restore: everything that must outlive a deployment, in one file with checksums.

    python -m worker.backup save > FILE                 while jobs run
    python -m worker.backup verify [--empty] < FILE     with --empty, also fail if the deployment has data to replace
    python -m worker.backup restore [--force] < FILE    while no job runs

A backup reads references before their targets: first the records, then the jobs' folders, the models, the data sets.
A deployment writes them in the opposite order, so a backup contains everything that it refers to. `archive.py` has the
file format, `saving.py` the order, `restoring.py` the restore.
"""
