"""The API container's health check: this API answers, and reaches Redis and the volume. Exits with 1 where not."""

import http.client
import os
import sys

api = http.client.HTTPConnection("127.0.0.1", int(os.environ["GLASSBOX_PORT"]), timeout=4)
try:
    api.request("GET", "/readyz")
    answer = api.getresponse()
    text = answer.read().decode()
except OSError as error:
    sys.exit(f"the API does not answer: {error}")
print(text)  # `docker inspect` shows it
sys.exit(answer.status != http.client.OK)
