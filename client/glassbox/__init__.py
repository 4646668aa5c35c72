"""The client of Glassbox: talks HTTP to its API, and to nothing else.

from glassbox import Client

client = Client("http://127.0.0.1:8000")
job = client.train(model="digits", dataset="mnist")
print(client.wait(job["id"])["result"])
"""

from glassbox.client import Client
from glassbox.errors import GlassboxError, JobFailed, NotReachable, Refused

__all__ = ["Client", "GlassboxError", "JobFailed", "NotReachable", "Refused"]
