"""A batch's results: rows and errors, in the files of its shards.

`shard.py` is what a shard's file holds, `files.py` all the files of one job, `lines.py` how a row is written.
"""
