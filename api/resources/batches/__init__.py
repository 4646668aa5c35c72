"""Batch jobs: submission, rows and images."""
