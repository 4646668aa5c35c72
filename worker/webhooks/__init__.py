"""The courier: a process of its own that tells webhooks how jobs ended (Standard Webhooks 1.0).

`dispatcher.py` takes the notices that are due and decides what comes of each try; `message.py` writes what is told,
`signing.py` signs it, `delivery.py` sends it.
"""
