"""A batch's results: rows and errors, in the files of its shards.

`shard.py` has the format of a shard's file, `files.py` the files of one job, `lines.py` the format of rows and errors.
"""
