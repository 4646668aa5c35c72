"""The encoding of names that an archive does not state: UTF-8, or the code page of the system that wrote them.

Windows writes names in the code page of its language (OEM), without naming it. All names of one program have the same,
so it is chosen for all of them together: each code page that can decode them is scored by how usual the characters are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable

from shared.archives.names.languages import (
    MISPLACED,
    SYMBOLS,
    WORD,
    is_central_european,
    is_korean,
    is_western,
    script_of,
)

UTF_8 = "utf-8"
ZIP_DEFAULT, TAR_DEFAULT = "cp437", "latin-1"  # decode any bytes

ENOUGH = 500  # distinct parts of names from which a code page is chosen
PRIOR = 0.15  # for the code page that the format of zips names
EASTERN, WESTERN = frozenset("ąćčďđęěĺľłńňőŕřśşšţťůűźžżăș"), frozenset("áäâçéëíîóôößúüý")
EASTERN_ALONE = 4  # distinct letters of Central European alphabets that suffice if a Western reading is plausible, too
WESTERN_PAGES = ("cp437", "cp850", "cp1252")
RARER = 0.2  # by which the mean score of a Western code page may be lower
KANA_ALONE = 4  # kana among which a Chinese text would have a character that EUC-JP lacks
HANGUL_ALONE = 7  # distinct syllables among which a Chinese text would have a character outside the range of hangul

Score = Callable[[str], float]  # of all parts in lines: the sum over the characters outside ASCII, each from -0.5 to 1


def encodings_of(parts: Collection[bytes], *, windows: bool, default: str) -> tuple[str, ...]:
    """Return the encodings of parts of paths outside ASCII, in the order in which to try them.

    windows: whether a program of Windows wrote them, so that a few that are UTF-8 may be so by chance. default: the
    encoding if no other is more plausible.
    """
    valid = [part for part in parts if is_utf8(part)]
    others = [part for part in parts if not is_utf8(part)]
    if not others and not windows:
        return (UTF_8,)
    if len(valid) > len(others) > 0:  # a few names of an old system
        return UTF_8, _code_page(others, default, windows=windows)[0]
    best, score = _code_page(parts, default, windows=windows)
    if not others and _mean(parts, UTF_8, _any_script) + PRIOR >= score:
        return (UTF_8,)
    return (best,)


def _code_page(parts: Collection[bytes], default: str, *, windows: bool) -> tuple[str, float]:
    """Return the most plausible code page and its score."""
    possible = CODE_PAGES if windows else CODE_PAGES | OF_UNIX
    scores = {encoding: _mean(parts, encoding, score) for encoding, score in possible.items()}
    if default == ZIP_DEFAULT:
        scores["cp437"] += PRIOR
        best = max(scores, key=scores.__getitem__)
    else:  # Unix, and programs of Windows that write the code page of its windows (ANSI)
        best = max(scores, key=lambda encoding: (scores[encoding], encoding == "cp1252"))
    return best, scores[best]


def _mean(parts: Collection[bytes], encoding: str, score: Score) -> float:
    """Return the mean score of the characters outside ASCII; -1 if the encoding cannot decode the parts."""
    texts = []
    for part in parts:
        if (text := _text(part, encoding)) is None:
            return -1
        texts.append(text)
    together = "\n".join(texts)
    return score(together) / max(sum(character > "\x7f" for character in together), 1)


def is_utf8(part: bytes) -> bool:
    """Return whether these bytes are UTF-8."""
    return _text(part, UTF_8) is not None


def _text(part: bytes, encoding: str) -> str | None:
    try:
        return part.decode(encoding)
    except UnicodeDecodeError:
        return None


def _words(text: str, script: str) -> float:
    """Score an alphabet: words of one script, with capital letters only at the start or throughout."""
    total = 0.0
    for word in WORD.findall(text):
        high = sum(letter > "\x7f" for letter in word)
        if high == 0:
            continue
        one_script = all(script_of(letter) == script for letter in word)
        if not one_script or not (word.islower() or word.isupper() or word.istitle()):
            total += -0.5 * high
        elif script != "LATIN":
            total += high * (0.8 if len(word) > 2 and not word.isupper() else 0.25)
        else:
            share = high / len(word)  # most letters of a Latin word are those of ASCII
            total += high * (0.9 if share < 0.5 else 0.5 if share < 1 else 0.3)
    symbols = [character for character in WORD.sub("", text) if character > "\x7f"]
    total -= 3.0 * len(MISPLACED.findall(text))
    return total - 0.5 * sum(character not in SYMBOLS for character in symbols)


def _latin(text: str) -> float:
    return _words(text, "LATIN")


def _central_european(text: str) -> float:
    """Score the alphabets between German and Russian: lower than Western ones, with which they share most bytes.

    A single letter of these alphabets may be a symbol of a Western code page, such as `ź` and `½`. They are not lower
    if the names may be of one of these languages, but not of a Western one.
    """
    if is_central_european(text) and not any(map(is_western, _in_western_pages(text))):
        return 1.2 * _words(text, "LATIN") + PRIOR * sum(letter > "\x7f" for letter in text)
    high = [letter for letter in text.lower() if letter > "\x7f"]
    if len(EASTERN & set(high)) < EASTERN_ALONE:
        return -0.5 * len(high)
    others = sum(letter not in EASTERN and letter not in WESTERN for letter in high)
    return _words(text, "LATIN") - 1.5 * others - RARER * len(high)


def _in_western_pages(text: str) -> list[str]:
    """Return the names of these bytes in the code pages of Western Europe that can decode them."""
    readings = (_text(text.encode("cp852"), encoding) for encoding in WESTERN_PAGES)
    return [reading for reading in readings if reading is not None]


def _cyrillic(text: str) -> float:
    return _words(text, "CYRILLIC")


def _japanese_of_unix(text: str) -> float:
    """Score EUC-JP, whose kanji are also Chinese characters: by kana, which Chinese names do not have."""
    kana = sum("ぁ" <= character <= "ヶ" for character in text)
    if kana < KANA_ALONE:
        return -0.5 * len(text)
    kanji = [character.encode("euc_jp")[0] for character in text if character > "ヶ"]
    return kana + sum(0.7 if 0xB0 <= lead <= 0xCF else 0.2 for lead in kanji) + 0.5 * text.count("ー")


def _any_script(text: str) -> float:
    """Score a text in UTF-8: any characters are usual, except for Latin letters with accents alone."""
    others = sum(character > "\x7f" and script_of(character) != "LATIN" for character in text)
    return 0.9 * others + max(0.0, _latin("".join(c for c in text if c <= "\x7f" or script_of(c) == "LATIN")))


def _japanese(text: str) -> float:
    total = 0.0
    for character in text:
        lead, *trail = character.encode("cp932")
        if lead < 0x80:
            continue
        if not trail:
            total += 0.1  # katakana of half width
        elif (lead == 0x82 and trail[0] >= 0x9F) or (lead == 0x83 and trail[0] <= 0x96) or character == "ー":
            total += 1  # hiragana, katakana
        elif 0x88 <= lead <= 0x97:
            total += 0.75  # kanji of the first level
        elif 0x98 <= lead <= 0x9F or 0xE0 <= lead <= 0xEA:
            total += 0.2
        elif lead in {0x81, 0x82}:
            total += 0.35  # punctuation, and ASCII of full width
    return total


def _double_byte(encoding: str, usual: range, rare: range, weight: float, lowest: int) -> Score:
    """Return the score of a code page of two bytes: by the range of the first byte; `lowest`: of the second byte."""

    def score(text: str) -> float:
        total = 0.0
        for character in text:
            lead, *trail = character.encode(encoding)
            if lead < 0x80:
                continue
            if not trail or trail[0] < lowest:
                total -= 0.2
            elif lead in usual:
                total += weight
            elif lead in rare:
                total += weight / 2
            elif lead in {0xA1, 0xA3}:
                total += 0.35
            else:
                total -= 0.2
        return total

    return score


_korean_syllables = _double_byte("cp949", range(0xB0, 0xC9), range(0), 1.0, 0xA1)


def _korean(text: str) -> float:
    """Score by the syllables of the standard; the same bytes are also Chinese characters, which are more usual."""
    syllables = [character for character in text if character > "\x7f"]
    if is_korean(text):
        return _korean_syllables(text)
    return _korean_syllables(text) * (0.85 if len(set(syllables)) >= HANGUL_ALONE else 0.7)


CODE_PAGES: dict[str, Score] = {
    "cp437": _latin,
    "cp850": _latin,
    "cp1252": _latin,
    "cp932": _japanese,
    "gbk": _double_byte("gbk", range(0xB0, 0xD8), range(0xD8, 0xF8), 0.8, 0xA1),
    "cp950": _double_byte("cp950", range(0xA4, 0xC7), range(0), 0.7, 0x40),
    "cp949": _korean,
    "cp866": _cyrillic,
    "cp1251": _cyrillic,
    "cp852": _central_european,
}
"""The score of each code page; of equal scores the first counts."""

OF_UNIX: dict[str, Score] = {"euc_jp": _japanese_of_unix, "koi8_u": _cyrillic}
"""Encodings that Windows does not use for names."""


def decoded(name: bytes, encodings: Iterable[str], default: str) -> str:
    """Return a name as text, in the first encoding that can decode it, else in the default."""
    for encoding in encodings:
        if (text := _text(name, encoding)) is not None:
            return text
    return name.decode(default)


def plain(name: str) -> str:
    """Return a name in the Unicode form NFC, as most systems write it, with `/` in place of backslashes (Windows)."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))
