"""The layout of an archive of class folders."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from shared.datasets.folders.layout import Layout, lay_out
from shared.errors import Invalid


def laid_out(names: list[str], **options: Any) -> Layout:
    return lay_out(names, **{"max_classes": 10, "test_fraction": 0.5, "seed": 0} | options)


def classes_by_part(names: list[str], layout: Layout) -> dict[str, list[tuple[str, str]]]:
    """Return each part's names with their classes, in the data set's order."""
    parts = {
        "train": (layout.train, layout.train_labels),
        "validation": (layout.validation, layout.validation_labels),
        "test": (layout.test, layout.test_labels),
    }
    return {
        part: [(names[index], layout.classes[label]) for index, label in zip(indices, labels, strict=True)]
        for part, (indices, labels) in parts.items()
    }


SPLIT = ["train/dog/1.png", "test/cat/2.png", "train/cat/2.png", "train/cat/10.png", "test/dog/x/y.png"]


def test_the_folders_train_and_test_are_the_parts_sorted_by_path() -> None:
    layout = laid_out(SPLIT)

    assert layout.classes == ("cat", "dog")
    assert classes_by_part(SPLIT, layout) == {
        "train": [("train/cat/10.png", "cat"), ("train/cat/2.png", "cat"), ("train/dog/1.png", "dog")],
        "validation": [],
        "test": [("test/cat/2.png", "cat"), ("test/dog/x/y.png", "dog")],
    }


def test_class_folders_alone_are_split_in_each_class() -> None:
    names = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(10)]

    parts = classes_by_part(names, laid_out(names, test_fraction=0.2))

    assert sorted(parts["train"] + parts["test"]) == sorted((name, name[:3]) for name in names)
    assert [kind for _, kind in parts["test"]] == ["cat", "cat", "dog", "dog"]


def test_the_split_depends_on_the_seed_and_not_on_the_archives_order(rng: random.Random) -> None:
    names = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(20)]
    shuffled = rng.sample(names, len(names))

    assert classes_by_part(names, laid_out(names)) == classes_by_part(shuffled, laid_out(shuffled))
    assert classes_by_part(names, laid_out(names)) != classes_by_part(names, laid_out(names, seed=1))


@pytest.mark.parametrize("enclosing", ["pets/", "./", "./a/b/", "a//"])
def test_enclosing_folders_are_ignored(enclosing: str) -> None:
    names = [enclosing + name for name in SPLIT]

    layout = laid_out(names)

    assert [(name.removeprefix(enclosing), kind) for name, kind in classes_by_part(names, layout)["test"]] == [
        ("test/cat/2.png", "cat"),
        ("test/dog/x/y.png", "dog"),
    ]


def test_a_folder_train_without_test_is_split() -> None:
    names = [f"train/{kind}/{number}.png" for kind in ("cat", "dog") for number in range(4)]

    assert len(laid_out(names).test) == 4


def test_a_class_may_have_no_images_for_testing() -> None:
    assert laid_out(["train/cat/1", "train/dog/1", "test/cat/1"]).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "code", "named"),
    [
        ([*SPLIT, "README.txt"], "dataset_layout", "README.txt"),
        ([*SPLIT, "train/lost.png"], "dataset_layout", "train/lost.png"),
        (["pets/cat/1", "pets/dog/1", "pets/README.txt"], "dataset_layout", "pets/README.txt"),
        (["1.png", "2.png"], "dataset_layout", "1.png"),
        (["train/1.png", "test/1.png"], "dataset_layout", "test/1.png"),
        (["cat/1", "dog/1"], "dataset_layout", "two images"),
        (["cat/1", "cat/2"], "dataset_classes", "1 class folder, 'cat', with 2 files, such as 'cat/1'"),
        ([f"{number}/1" for number in range(11)], "dataset_classes", "11 class folders"),
        (["train/cat/1", "train/dog/1", "test/eel/1"], "dataset_classes", "eel"),
    ],
)
def test_an_invalid_layout_is_refused_with_the_name_of_the_entry(names: list[str], code: str, named: str) -> None:
    with pytest.raises(Invalid, match=named) as caught:
        laid_out(names)

    assert caught.value.code == code


TRAIN_NAMES = ["train", "Train", "TRAINING", "training"]
TEST_NAMES = ["test", "TEST", "Testing", "testing"]
VALIDATION_NAMES = ["val", "Val", "valid", "validation", "dev", "eval", "Evaluation"]


def named(*splits: str, kinds: tuple[str, ...] = ("cat", "dog")) -> list[str]:
    """Return two images of each class in the folders of the splits."""
    return [f"{split}/{kind}/{number}.png" for split in splits for kind in kinds for number in range(2)]


@pytest.mark.parametrize("enclosing", ["", "flowers/", "a/b/"])
@pytest.mark.parametrize(("train", "test"), list(zip(TRAIN_NAMES, TEST_NAMES, strict=True)))
def test_splits_are_recognised_by_other_names(enclosing: str, train: str, test: str) -> None:
    names = named(enclosing + train, enclosing + test)

    layout = laid_out(names)

    assert layout.classes == ("cat", "dog")
    assert not layout.made_split
    assert {name for name, _ in classes_by_part(names, layout)["test"]} == set(named(enclosing + test))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("seg_train", "seg_test"),
        ("training_set", "test_set"),
        ("train2017", "test2017"),
        ("my train", "my test"),
        ("imagesTrain", "imagesTest"),
        ("trainset", "testset"),
        ("TrainData", "TestData"),
        ("trainimages", "testimages"),
        ("traindir", "tests"),
        ("Train", "tESt"),
        ("train", "test_images"),
        ("train_set", "Test Images"),
        ("trainingsdaten", "testdaten"),
        ("entrenamiento", "pruebas"),
        ("训练集", "测试集"),
        ("学習用データ", "テスト"),
        ("train/images", "test/images"),
    ],
)
def test_splits_are_recognised_by_a_word_of_their_names(train: str, test: str) -> None:
    layout = laid_out(named(train, test))

    assert (layout.classes, len(layout.train), len(layout.test)) == (("cat", "dog"), 4, 4)


@pytest.mark.parametrize("validation", VALIDATION_NAMES)
def test_a_validation_split_is_kept_beside_a_test_split(validation: str) -> None:
    names = named("train", "test", validation)

    layout = laid_out(names)

    assert not layout.made_split
    parts = classes_by_part(names, layout)
    for part, folder in (("train", "train"), ("test", "test"), ("validation", validation)):
        assert parts[part] == [(name, name.split("/")[1]) for name in named(folder)]
    assert layout.use_of_validation is not None
    assert layout.use_of_validation.startswith(f"the 4 images in '{validation}' are not trained on")
    assert "set aside" not in layout.use_of_validation


@pytest.mark.parametrize("validation", VALIDATION_NAMES)
def test_a_test_split_is_made_of_training_images_beside_a_validation_split(validation: str) -> None:
    names = named("pets/train", f"pets/{validation}")

    layout = laid_out(names)

    assert layout.made_split
    parts = {part: {name for name, _ in images} for part, images in classes_by_part(names, layout).items()}
    assert parts["validation"] == set(named(f"pets/{validation}"))
    assert parts["train"] | parts["test"] == set(named("pets/train"))
    assert len(parts["test"]) == 2
    alone = named("train")
    expected = {name for name, _ in classes_by_part(alone, laid_out(alone))["test"]}
    assert parts["test"] == {f"pets/{name}" for name in expected}
    assert layout.use_of_validation is not None
    assert "a share of the training images is set aside for the test" in layout.use_of_validation


def test_validation_splits_in_each_class_folder_are_recognised() -> None:
    names = [f"{kind}/{split}/{n}.png" for kind in ("cat", "dog") for split in ("Train", "Val") for n in range(3)]

    parts = classes_by_part(names, laid_out(names))

    assert {name for name, _ in parts["validation"]} == {name for name in names if "/Val/" in name}
    assert len(parts["test"]) + len(parts["train"]) == 6


def test_a_class_with_images_for_validation_alone_is_refused() -> None:
    with pytest.raises(Invalid, match=r"the class 'owl' has images in validation, but none in train: 'val/owl/"):
        laid_out([*named("train", "test"), "val/cat/0.png", "val/owl/0.png"])


def test_a_class_may_have_the_name_of_a_folder_around_classes() -> None:
    layout = laid_out([*named("train", kinds=("data", "code")), *named("test", kinds=("data",))])

    assert (layout.classes, len(layout.test)) == (("code", "data"), 2)


def test_a_class_that_is_written_otherwise_in_train_is_named() -> None:
    with pytest.raises(Invalid, match="Train has 'Cat ': give both folders the same name"):
        laid_out([*named("train", kinds=("Cat ", "dog")), *named("test")])


def test_copies_stay_together_beside_a_validation_split() -> None:
    names = [f"{split}/{kind}/{number}.png" for split in ("train", "val") for kind in "ab" for number in range(6)]
    copies = np.array([number // 2 for number in range(len(names))], np.uint64)

    layout = laid_out(names, copies=copies)

    assert layout.validation.tolist() == list(range(12, 24))
    assert set(copies[layout.train]).isdisjoint(copies[layout.test])


def test_the_folder_of_a_split_may_be_repeated() -> None:
    layout = laid_out(named("training_set/training_set", "test_set/test_set"))

    assert (layout.classes, len(layout.test)) == (("cat", "dog"), 4)


def test_splits_in_each_class_folder_are_recognised() -> None:
    names = [f"{kind}/{split}/{n}.png" for kind in ("cat", "dog") for split in ("train", "test") for n in range(3)]

    layout = laid_out(names)

    assert layout.classes == ("cat", "dog")
    assert {name for name, _ in classes_by_part(names, layout)["test"]} == {n for n in names if "/test/" in n}


def test_a_class_may_have_the_name_of_a_split() -> None:
    names = [f"{kind}/{number}.png" for kind in ("bus", "train", "car") for number in range(4)]

    assert laid_out(names).classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (named("train", "test", "extra"), "extra"),
        (named("train", "holdout"), "holdout"),
        (named("val", "test"), "val"),
        ([*named("train"), "test/1.png", "test/2.png"], "test"),
        (named("train") + named("val", kinds=("cat", "dog", "eel")), "val/eel"),
    ],
)
def test_a_split_never_becomes_a_class(names: list[str], folder: str) -> None:
    with pytest.raises(Invalid, match=folder):
        laid_out(names)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(0)


def named_after(*folders: str) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(4)]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train/cat", "train/dog", "test1/cat", "test1/dog"), {"train", "test"}),
        (("1_train/cat", "1_train/dog", "2_test/cat", "03 val/dog"), {"train", "test", "validation"}),
        (("cat/train", "cat/test1", "dog/train", "dog/test1"), {"train", "test"}),
    ],
)
def test_the_names_of_splits_may_have_different_numbers(folders: tuple[str, ...], splits: set[str]) -> None:
    names = named_after(*folders)

    layout = laid_out(names)

    assert layout.classes == ("cat", "dog")
    assert not layout.made_split
    assert {part for part, images in classes_by_part(names, layout).items() if images} == splits


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train", "test1"), "'test1/3.png' is not in a class folder"),
        (("train/cat", "train/dog", "test1"), "'test1/3.png' is not in a class folder"),
        (("train/cat", "train/dog", "unlabeled"), "'unlabeled' is beside 'train'"),
        (("train/train/cat", "train/train/dog", "test/test/cat", "pred/pred"), "'pred' is beside 'test'"),
        (("train/cat", "train/dog", "test_real/cat"), "Give both the same name around train, test or validation"),
        (("train/images", "val/images"), "Put the images of each class into a folder of its own"),
        (("trainA", "trainB", "testA", "testB"), "rename them to train/a/ and test/a/"),
        (("dog-train", "dog-val", "cat-train", "cat-val"), "rename them to train/cat/ and validation/cat/"),
        (("cat/train", "cat/test", "dog/train", "dog"), "'dog/0.png' is in none of them"),
        (("cat/train", "cat/test", "dog"), "the class 'cat' has the splits 'test' and 'train'"),
        (("cat/train", "cat/val", "cat/other", "dog/train", "dog/val"), "'cat/other/0.png' is in none of them"),
        (
            tuple(f"{top}/{split}/{kind}" for top in ("old", "new") for split in ("train", "test") for kind in "ab"),
            "'new' and 'old' have 'test' and 'train' with the same folders, such as 'a' and 'b'",
        ),
    ],
)
def test_folders_that_may_be_splits_are_refused_by_name(folders: tuple[str, ...], named: str) -> None:
    with pytest.raises(Invalid) as caught:
        laid_out(named_after(*folders))

    assert caught.value.code == "dataset_layout"
    assert named in caught.value.detail


def test_folders_in_the_splits_of_a_class_belong_to_the_class() -> None:
    days = [f"{kind}/{split}/{day}" for kind in ("cat", "dog") for split in ("train", "test") for day in (kind, split)]

    assert laid_out(named_after(*days)).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("folders", "doubt"),
    [
        (("cat", "dog", "test"), "the folder 'test' has the name of a split, but became a class"),
        (("cat", "dog", "Val 2"), "the folder 'Val 2' has the name of a split"),
        (("bus/london", "bus/tour", "train/steam", "train/electric"), "the folder 'train' has the name of a split"),
        (
            ("fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"),
            "the folders 'fold1' and 'fold2' became classes, and each class has the folders 'cat' and 'dog'",
        ),
    ],
)
def test_a_class_that_may_be_a_split_has_a_warning(folders: tuple[str, ...], doubt: str) -> None:
    (found,) = laid_out(named_after(*folders)).doubts

    assert found.startswith(doubt)


@pytest.mark.parametrize(
    "folders",
    [
        ("cat", "dog"),
        ("train/cat", "train/test", "test/cat", "test/test"),
        ("steam_train", "model_test"),
        ("cat/2019", "cat/2020", "dog/2020", "dog"),
    ],
)
def test_classes_that_are_no_splits_have_no_warning(folders: tuple[str, ...]) -> None:
    assert not laid_out(named_after(*folders)).doubts
