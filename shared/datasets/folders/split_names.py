"""The names of splits, as data sets have them: `train`, `Testing`, `valid`, `seg_train` and `seg_test`, `val2017`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

WORD = re.compile(r"[^\W\d_]+")
IN_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
NEUTRAL = re.compile(
    r"(?:data|sets?|images?|imgs?|split|samples|files|dir|folder|s?daten|s?bilder|集|用|数据|數據|データ|데이터)++$"
)
"""Words beside a role that say nothing else, also in one word with it: `test_images`, `trainset`, `训练集`."""

NUMBERS = re.compile(r"[\W\d_]+")  # with the characters around them


class Role(StrEnum):
    """What a split is for."""

    TRAIN = "train"
    TEST = "test"
    VALIDATION = "validation"


WORDS = {
    Role.TRAIN: (
        "train training trainings trn entraînement entrainement apprentissage entrenamiento treino treinamento"
        " addestramento eğitim обучение 训练 訓練 学習 トレーニング 훈련 학습"
    ),
    Role.TEST: "test tests testing tst prueba pruebas teste testes тест 测试 測試 テスト 테스트 시험",
    Role.VALIDATION: (
        "val vals vali vld valid validation validations validate dev eval evaluation evaluate validierung validación"
        " validacion validação validacao validazione doğrulama валидация 验证 驗證 検証 검증"
    ),
}
ROLES = {word: role for role, words in WORDS.items() for word in words.split()}


def role_of(name: str) -> tuple[Role, str] | None:
    """Return the role that a name states, and the rest of the name; None if no word, or more than one, states a role.

    `Seg_Train` is `TRAIN` with the rest `seg_`, and `imagesTrain` with `images_`.
    """
    for text in (name, IN_CAMEL_CASE.sub("_", name)):  # the first for capital letters within a word: `vaLid`
        folded = text.strip().casefold()
        words = [(match, NEUTRAL.sub("", match[0])) for match in WORD.finditer(folded)]
        words = [(match, match[0] if match[0] in ROLES else stem) for match, stem in words]
        stated = [(match.start(), stem) for match, stem in words if stem in ROLES]
        if len(stated) == 1:
            ((start, word),) = stated
            return ROLES[word], folded[:start] + folded[start + len(word) :]
    return None


def roles_of(names: Iterable[str]) -> dict[str, Role] | None:
    """Return the role of each name if all state one and have the same rest, as the splits of one set do; else None.

    Numbers may differ if the splits are for different purposes: `train` and `test1`, `1_train` and `2_test`. Words that
    say nothing else may differ if there is one split for each purpose: `train` and `test_images`.
    """
    found = {name: role_of(name) for name in names}
    known = {name: stated for name, stated in found.items() if stated}
    roles = {name: role for name, (role, _) in known.items()}
    if len(known) != len(found):
        return None
    rests = {rest for _, rest in known.values()}
    if len(rests) == 1 or (is_divided(roles) and len({NUMBERS.sub("", rest) for rest in rests}) == 1):
        return roles
    if is_divided(roles) and len(set(roles.values())) == len(roles) and len(set(map(plain_rest, rests))) == 1:
        return roles
    return None


def plain_rest(rest: str) -> str:
    """Return the rest of a split's name without numbers, separators and neutral words."""
    return " ".join(filter(None, (NEUTRAL.sub("", word) for word in WORD.findall(rest))))


def is_divided(roles: Mapping[str, Role]) -> bool:
    """Return whether some names are for training, and others are not."""
    return Role.TRAIN in roles.values() and len(set(roles.values())) > 1
