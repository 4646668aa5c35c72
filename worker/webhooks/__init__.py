"""The webhook dispatcher (service `courier`): a process that reports ended jobs to webhooks (Standard Webhooks 1.0).

`dispatcher.py` takes the deliveries that are due and handles the outcome of each try; `message.py` writes the message,
`signing.py` signs it, `delivery.py` sends it.
"""
