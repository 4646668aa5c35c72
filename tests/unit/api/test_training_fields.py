"""A training's settings have one description: `shared.network.configuration` and its groups."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from api.openapi.schemas import Schemas
from api.resources.trainings.training_jobs import TrainingRequest, request_for
from shared.network import Configuration, ConfigurationError, Network, preset
from shared.network.optimization.optimizers import OPTIMIZERS
from shared.network.optimization.schedules import SCHEDULES
from shared.network.settings.fields import Number, fields_of
from tests.support.data.npz import npz
from tests.support.problems import assert_problem, pointers

Json = dict[str, Any]
BASE: Json = {"validation_fraction": 0.2, "epochs": 100, "batch_size": 1}  # settings on which single settings depend
KINDS: Json = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}


@dataclass(frozen=True, kw_only=True)
class Extended(Configuration):
    sharpness: Annotated[float, Number("Sharpness of the network", minimum=0, below=3)] = 0.0


def schema_of(request: Any) -> Json:
    schemas = Schemas([request])
    return schemas.resolved(schemas.of(request))


SCHEMA = schema_of(TrainingRequest)


def around(schema: Json) -> Iterator[Any]:
    """Yield values at and next to the bounds of a scalar or a list, and values of other types."""
    yield from (None, True, "text", {"unknown": 1}, {}, [])
    bounds = [schema[name] for name in schema if name.endswith(("inimum", "aximum"))]
    match schema:
        case {"anyOf": [some, {"type": "null"}]}:
            yield from around(some)
        case {"enum": names}:
            yield from names
        case {"type": "integer"}:
            yield from (bound + step for bound in bounds for step in (-1, 0, 1))
        case {"type": "number"}:
            yield from (toward for bound in bounds for toward in (bound, math.nextafter(bound, -1e9), bound + 1e-9))
        case {"type": "array", "items": {"type": "object", "properties": described}, "maxItems": longest}:
            yield from ([{"filters": 1}], [{"filters": 1}] * (longest + 1), [{}], [None])
            yield from ([{"filters": 1, name: value}] for name in described for value in around(described[name]))
        case {"type": "array"}:
            least, longest = schema["items"]["minimum"], schema["maxItems"]
            yield from ([least], [least - 1], [least] * longest, [least] * (longest + 1))


def cases() -> Iterator[Json]:
    """Yield each setting, including those of groups, with values around its bounds."""
    for name, schema in SCHEMA["properties"].items():
        if name not in fields_of(Configuration):
            continue
        group = schema["anyOf"][0] if "anyOf" in schema else schema
        yield from ({name: value} for value in around(schema))
        for setting, described in group.get("properties", {}).items():
            owner = next((key for key, kind in KINDS.get(name, {}).items() if setting in fields_of(kind)), None)
            named = {} if owner is None else {"name": owner}
            yield from ({name: named | {setting: value}} for value in around(described))


CASES = {json.dumps(fields)[:80]: fields for fields in cases()}


def is_valid_by_schema(fields: Json) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid({"model": "toy", "dataset": "easy"} | fields))


def rejected_field(fields: Json, dataset: Json | None = None) -> str | None:
    """Return the field that the network rejects, optionally for this data set."""
    try:
        configuration = preset("fast", **{**BASE, **fields})
        if dataset is not None:
            configuration.check(dataset["splits"]["train"])
            Network(tuple(dataset["image_shape"]), len(dataset["classes"]), configuration)
    except ConfigurationError as error:
        return error.field
    return None


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_schema_and_network_accept_the_same_values(fields: Json) -> None:
    assert is_valid_by_schema(fields) == (rejected_field(fields) is None)


def test_http_and_network_accept_the_same_values(client: FlaskClient) -> None:
    dataset: Any = client.post("/v1/datasets?name=easy", data=npz()).json
    statuses = set()
    for fields in CASES.values():
        response = client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy", **BASE, **fields})
        statuses.add(response.status_code)
        rejected = rejected_field(fields, dataset)
        assert (response.status_code == 202) == (rejected is None), fields
        if rejected is not None:
            problem = assert_problem(response, 422, "validation_failed")
            assert pointers(problem) == ["#/" + rejected.replace(".", "/")], fields
    assert statuses == {202, 422}


def test_all_invalid_settings_are_reported_together_with_their_values(client: FlaskClient) -> None:
    assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201
    fields = {"epochs": 0, "hidden": [3, "4"], "preset": "slow", "early_stopping": 3}

    problem = assert_problem(
        client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy", **fields}), 422, "validation_failed"
    )

    assert {each["pointer"]: each["detail"] for each in problem["errors"]} == {
        "#/preset": 'must be one of auto, fast, accurate, article; got "slow"',
        "#/hidden/1": 'must be a whole number; got "4"',
        "#/epochs": "must be at least 1; got 0",
        "#/early_stopping": "must be an object or null; got 3",
    }


def test_schema_has_every_setting_except_those_of_presets_only() -> None:
    settings = SCHEMA["properties"].keys() & fields_of(Configuration).keys()
    assert fields_of(Configuration).keys() - settings == {"update_order"}
    for name in settings:
        assert SCHEMA["properties"][name] == fields_of(Configuration)[name].schema()


def test_new_setting_appears_in_the_request_and_its_schema() -> None:
    request = request_for(Extended)
    body = {"model": "toy", "dataset": "easy", "sharpness": 2}

    assert schema_of(request)["properties"]["sharpness"] == {
        "type": "number", "minimum": 0, "exclusiveMaximum": 3, "description": "Sharpness of the network",
    }  # fmt: skip
    assert request.model_validate(body, strict=True).model_dump(exclude_unset=True) == body
    with pytest.raises(ValueError, match="sharpness must be less than 3; got 3"):
        request.model_validate(body | {"sharpness": 3}, strict=True)
    with pytest.raises(ConfigurationError, match="sharpness must be less than 3; got 3"):
        Extended(**preset("fast").to_dict(), sharpness=3)
