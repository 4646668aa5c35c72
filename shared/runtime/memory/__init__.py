"""The memory of this process: its limit, and how it returns freed memory."""
