"""A batch's results: rows and errors, in the files of its shards, and in the formats that users ask for.

`shard.py` is what a shard's file holds, `files.py` all the files of one job, `lines.py` how a row is written;
`csv_rows.py`, `npz.py` and `parquet.py` read the rows again and write them otherwise.
"""
