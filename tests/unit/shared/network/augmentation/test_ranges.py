from __future__ import annotations

import json
from typing import Any

import pytest

from shared.network.augmentation.ranges import Augmentation
from shared.network.errors import ConfigurationError
from shared.network.settings.groups import read_optional

FIRST_RELEASE = {"shift": 2.0, "rotation": 0.0, "scale": 0.0, "shear": 0.0, "elastic": 0.0, "smoothness": 4.0}
ADDED = {
    "border": "edge", "flip": True, "brightness": 0.1, "contrast": 0.2, "saturation": 0.3, "hue": 0.4, "cutout": 0.5
}  # fmt: skip


def test_added_settings_that_are_off_are_not_written_because_older_releases_reject_them() -> None:
    assert Augmentation(shift=2).to_dict() == FIRST_RELEASE
    assert Augmentation(shift=2, border="black", flip=False, hue=0).to_dict() == FIRST_RELEASE


def test_added_settings_that_are_on_are_written_and_read() -> None:
    augmentation = Augmentation(shift=2, **ADDED)  # type: ignore[arg-type]
    written = json.loads(json.dumps(augmentation.to_dict()))
    assert written == FIRST_RELEASE | ADDED
    assert read_optional(Augmentation, written) == augmentation


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"flip": 1}, "augmentation.flip"),
        ({"flip": "yes"}, "augmentation.flip"),
        ({"border": "white"}, "augmentation.border"),
        ({"border": None}, "augmentation.border"),
        ({"brightness": 1}, "augmentation.brightness"),
        ({"contrast": -0.1}, "augmentation.contrast"),
        ({"saturation": "much"}, "augmentation.saturation"),
        ({"hue": float("nan")}, "augmentation.hue"),
        ({"cutout": 1.0}, "augmentation.cutout"),
        ({"color": 0.1}, "augmentation.color"),
    ],
)
def test_the_error_for_an_invalid_setting_names_it(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_optional(Augmentation, settings)
    assert error.value.field == field
