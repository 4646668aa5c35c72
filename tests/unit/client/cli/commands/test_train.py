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


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "[NaN]", "[" * 100_000])
def test_a_value_that_json_does_not_allow_is_a_text(text: str) -> None:
    assert parsed_settings([f"dropout={text}"]) == {"dropout": text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset=mnist", "use DATASET"),
        ("model=m", "use --model"),
        ("model.name=m", "use --model"),
        ("on_bytes=1", "is not a setting"),
        ("self=1", "is not a setting"),
    ],
)
def test_an_argument_of_the_command_is_not_a_setting(text: str, message: str) -> None:
    with pytest.raises(WrongArgument, match=message):
        parsed_settings([text])


@pytest.mark.parametrize("texts", [["epochs"], ["=3"], ["optimizer=adam", "optimizer.learning_rate=0.1"]])
def test_settings_without_a_name_a_value_or_a_group_are_rejected(texts: list[str]) -> None:
    with pytest.raises(WrongArgument):
        parsed_settings(texts)
