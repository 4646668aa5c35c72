"""Settings of a training on the command line."""

from __future__ import annotations

import pytest
from glassbox import WrongArgument
from glassbox.cli.commands.train import parsed_settings


def test_values_of_settings_are_json_or_texts() -> None:
    texts = ["hidden=[64, 32]", "activation=relu", "dropout=0.1", "augmentation=null"]
    assert parsed_settings(texts) == {
        "hidden": [64, 32], "activation": "relu", "dropout": 0.1, "augmentation": None
    }  # fmt: skip


def test_a_path_with_dots_names_a_setting_in_a_group() -> None:
    texts = ["optimizer.name=adam", "optimizer.learning_rate=0.01"]
    assert parsed_settings(texts) == {"optimizer": {"name": "adam", "learning_rate": 0.01}}


@pytest.mark.parametrize("texts", [["epochs"], ["=3"], ["optimizer=adam", "optimizer.learning_rate=0.1"]])
def test_settings_without_a_name_a_value_or_a_group_are_rejected(texts: list[str]) -> None:
    with pytest.raises(WrongArgument):
        parsed_settings(texts)
