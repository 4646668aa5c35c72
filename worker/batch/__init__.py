"""Batch jobs: one coordinator and its helpers classify an archive shard by shard."""
