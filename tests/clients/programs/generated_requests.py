"""The client that openapi-python-client generated, against the API at argv[1]; prints what it received as JSON."""

from __future__ import annotations

import json
import sys

from glassbox_client import Client
from glassbox_client.api.health import health_healthz
from glassbox_client.api.models import models_index, models_show, models_show_version
from glassbox_client.api.predictions import predictions_predict
from glassbox_client.models import Instances


def main(url: str, pixels: list[list[int]]) -> None:
    """Call some operations."""
    client = Client(base_url=url, raise_on_unexpected_status=True)
    version = models_show_version.sync("toy", "champion", client=client)
    missing = models_show.sync("unknown", client=client)
    body = Instances.from_dict({"instances": pixels})
    predicted = predictions_predict.sync("toy", "champion", client=client, body=body)
    found = {
        "healthy": health_healthz.sync_detailed(client=client).status_code,
        "models": [model.name for model in models_index.sync(client=client).items],
        "version": version.version,
        "aliases": version.aliases,
        "missing": [missing.status, missing.code],
        "labels": [prediction.label for prediction in predicted.predictions],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
