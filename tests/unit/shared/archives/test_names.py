"""Names as the archivers of each system write them: one name from all of them, in batches and in data sets."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.archives.names.code_pages import encodings_of
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.runtime.settings import Settings
from tests.support.data.archives import Written, unicode_path, zip_as_written
from tests.support.data.images import png
from tests.support.data.tars import END, member, pax
from tests.unit.shared.archives.conftest import Uploads

UTF8 = 0x800
DOS, UNIX, NTFS, MACOS = 0, 3, 10, 19
NFD = unicodedata.normalize("NFD", "café")

CAFE = {
    "Finder of macOS": Written(NFD.encode(), system=UNIX),
    "Finder of newer macOS": Written(NFD.encode(), flags=UTF8, system=UNIX),
    "ditto": Written(NFD.encode(), system=MACOS),
    "Explorer of Windows, Western Europe": Written("café".encode("cp850")),
    "Explorer of Windows, USA": Written("café".encode("cp437")),
    "Explorer of Windows, NTFS": Written("café".encode("cp437"), system=NTFS),
    "7-Zip": Written("café".encode("cp850")),
    "PowerShell": Written("café".encode(), flags=UTF8),
    "WinRAR": Written(b"caf_", extra=unicode_path(b"caf_", "café")),
    "WinZip": Written("café".encode("cp437"), extra=unicode_path("café".encode("cp437"), "café")),
    "Info-ZIP on Linux": Written("café".encode(), system=UNIX, extra=unicode_path("café".encode(), "café")),
    "Info-ZIP on Linux, old": Written("café".encode(), system=UNIX),
    "Python": Written("café".encode(), flags=UTF8, system=UNIX),
    "a Unix of Latin-1": Written("café".encode("latin-1"), system=UNIX),
    "Java on Windows, old": Written("café".encode("cp1252")),
}
TARS: dict[str, Callable[[str], bytes]] = {
    "GNU": member,
    "bsdtar of macOS": lambda name: member(unicodedata.normalize("NFD", name)),
    "pax": lambda name: pax({"path": name}) + member("x"),
    "pax of macOS": lambda name: pax({"path": unicodedata.normalize("NFD", name)}) + member("x"),
    "Windows": lambda name: member(name.encode("cp1252")),
    "a Unix of Latin-1": lambda name: member(name.encode("latin-1")),
}


def written(entry: Written, folder: bytes, file: bytes, content: bytes = b"") -> Written:
    """Return the entry `<folder><its name><file>`, as the same program writes it."""
    name = folder + entry.name + file
    extra = unicode_path(name, f"{folder.decode()}café{file.decode()}") if entry.extra else b""
    return Written(name, content, entry.flags, entry.system, extra)


@pytest.mark.parametrize("program", CAFE)
def test_a_name_is_the_same_from_every_archiver(uploads: Uploads, program: str) -> None:
    archive = zip_as_written([written(CAFE[program], b"a/", b"/1.png", b"image"), Written(b"b/1.png", b"other")])

    assert uploads.names(archive) == ["a/café/1.png", "b/1.png"]
    assert uploads.read_all(archive) == [b"image", b"other"]


@pytest.mark.parametrize("program", TARS)
def test_a_name_is_the_same_from_every_tar(uploads: Uploads, program: str) -> None:
    assert uploads.names(TARS[program]("café/1.png") + member("b.png") + END) == ["café/1.png", "b.png"]


@pytest.mark.parametrize("program", CAFE)
def test_a_class_is_the_same_from_every_archiver(tmp_path: Path, limits: Settings, program: str) -> None:
    image = png(np.zeros((4, 4), np.uint8))
    files = [b"/%d.png" % number for number in range(3)]
    path = tmp_path / "upload"
    path.write_bytes(
        zip_as_written(
            [written(CAFE[program], b"", file, image) for file in files]
            + [Written(b"bar" + file, image, system=CAFE[program].system) for file in files]
        )
    )

    assert read_upload(path, limits, UploadOptions(test_fraction=0.3)).classes == ("bar", "café")


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["猫", "犬"]),
        ("cp932", ["犬"]),
        ("cp932", ["テスト", "学習"]),  # the second byte of ス is X
        ("cp932", ["表示", "ソ連"]),  # the second byte of 表 and ソ is a backslash
        ("cp932", ["新しいフォルダー"]),
        ("cp932", ["東京", "山", "川"]),
        ("gbk", ["猫", "狗"]),
        ("gbk", ["猫"]),  # these two bytes are è in UTF-8
        ("gbk", ["汽车", "飞机", "鸟"]),
        ("gbk", ["新建文件夹"]),
        ("cp950", ["圖片", "汽車"]),
        ("cp949", ["고양이", "강아지", "토끼"]),
        ("cp949", ["고양이", "강아지"]),
        ("cp949", ["사진", "자동차"]),
        ("cp949", ["이미지"]),
        ("gbk", ["猴子", "狗"]),  # these bytes are Korean syllables, too
        ("gbk", ["北京", "大", "好"]),
        ("cp866", ["кошка", "собака"]),
        ("cp437", ["Größe", "für", "Öl"]),
        ("cp437", ["niño", "garçon"]),
        ("cp850", ["São Paulo", "ação"]),
        ("cp850", ["Größe", "1½", "Tür"]),
        ("cp437", ["Größe", "cm²", "25°C"]),
        ("cp1251", ["кошка", "собака"]),
        ("cp1251", ["Новая папка"]),
        ("cp1251", ["Кіт", "їжак", "ґава"]),
        ("cp852", ["żółw", "gęś", "słoń", "łódka", "źrebię"]),
        ("cp852", ["kočka", "růže", "štěně", "kůň", "žirafa", "řeka"]),
        ("cp852", ["żółw"]),
        ("cp852", ["słoń", "gęś"]),
        ("cp852", ["łódka", "żaba"]),
        ("cp852", ["kočka", "kůň"]),
        ("cp852", ["růže"]),
        ("cp852", ["mačka", "žaba"]),
        ("cp852", ["fată", "mânăstire"]),
        ("cp850", ["São Paulo", "coração", "canhão", "Índia"]),
        ("cp850", ["fête", "forêt", "Château"]),
        ("cp850", ["smørrebrød", "æble", "ål"]),
        ("cp850", ["þorskur", "ísbjörn"]),
    ],
)
@pytest.mark.parametrize("system", [DOS, NTFS])
def test_names_in_the_code_page_of_windows_are_decoded(
    uploads: Uploads, encoding: str, names: list[str], system: int
) -> None:
    paths = [f"train/{name}/{name}.png" for name in names]
    entries = [Written(path.encode(encoding), path.encode(), system=system) for path in paths]

    assert uploads.names(zip_as_written([*entries, Written(b"train/a/1.png", system=system)])) == [
        *paths,
        "train/a/1.png",
    ]
    assert uploads.read_all(zip_as_written(entries)) == [path.encode() for path in paths]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["猫", "犬"]),
        ("gbk", ["猫", "狗"]),
        ("cp1252", ["Füße"]),
        ("cp1251", ["кошка", "собака"]),
        ("koi8_r", ["кошка", "собака"]),
        ("koi8_u", ["їжак", "ведмідь"]),
        ("euc_jp", ["ねこ", "いぬ", "写真"]),
        ("euc_jp", ["テスト", "データ"]),
        ("cp950", ["手", "牛"]),  # the bytes of 手 are a kana in EUC-JP
        ("gbk", ["汽车", "飞机", "鸟"]),
    ],
)
def test_names_of_a_tar_in_the_code_page_of_windows_are_decoded(
    uploads: Uploads, encoding: str, names: list[str]
) -> None:
    assert uploads.names(b"".join(member(name.encode(encoding)) for name in names) + END) == names


def test_the_code_page_is_chosen_for_all_names_together(uploads: Uploads) -> None:
    """A name of two letters alone would be read in another code page."""
    many = [f"{number}/川.png" for number in range(3000)]
    names = [*many, "ねこ.png"]

    assert uploads.names(zip_as_written(Written(name.encode("cp932")) for name in names)) == names


def test_programs_of_two_systems_may_have_written_the_names(uploads: Uploads) -> None:
    entries = [Written("猫.png".encode("cp932"), system=DOS), Written("犬.png".encode(), system=UNIX)]

    assert uploads.names(zip_as_written(entries)) == ["猫.png", "犬.png"]


def test_names_that_no_code_page_decodes_are_read_in_code_page_437(uploads: Uploads) -> None:
    assert uploads.names(zip_as_written([Written(b"\xfd\xfe\xff\x80.png"), Written(b"\x83\x65.png")]))[0].endswith(
        ".png"
    )


def test_utf_8_needs_no_flag() -> None:
    assert encodings_of(["日本語".encode()], windows=True, default="cp437") == ("utf-8",)
    assert encodings_of(["è".encode()], windows=False, default="cp437") == ("utf-8",)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_few_names_of_an_old_system_do_not_change_those_in_utf_8(uploads: Uploads, form: str) -> None:
    names = ["日本語.png".encode(), "größe.png".encode(), "größe.png".encode("latin-1")[:-4] + b".bmp"]
    zipped = zip_as_written(Written(name, system=UNIX) for name in names)
    tar = b"".join(map(member, names)) + END

    assert uploads.names(zipped if form == "zip" else tar) == ["日本語.png", "größe.png", "größe.bmp"]


@pytest.mark.parametrize("system", [DOS, UNIX])
def test_a_backslash_separates_folders(uploads: Uploads, system: int) -> None:
    """PowerShell 5.1 writes backslashes (.NET before 4.6.1)."""
    entries = [
        Written(b"cat\\", system=system),
        Written(b"cat\\1.png", b"one", system=system),
        Written("café\\2.png".encode(), b"two", UTF8, system),
    ]

    archive = uploads.index(zip_as_written(entries))

    assert (archive.paths(0, 9), archive.passed_over) == (["cat/1.png", "café/2.png"], 1)
    assert uploads.read_all(zip_as_written(entries)) == [b"one", b"two"]
    assert uploads.names(member("cat\\1.png") + member("é\\2.png") + END) == ["cat/1.png", "é/2.png"]


UNSAFE = ["..\\x", "a\\..\\..\\x", "\\x", "\\\\server\\x", "C:\\x", "C:x", "/x", "..", "a/..\\x", "a\0b"]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("flags", [0, UTF8])
@pytest.mark.parametrize("accent", ["", "é"])
def test_a_path_that_leads_out_of_the_archive_is_refused(uploads: Uploads, name: str, flags: int, accent: str) -> None:
    raw = (name + accent).encode()
    if name == "..":
        raw = name.encode() + f"/{accent}".encode()

    assert uploads.refusal(zip_as_written([Written(raw, flags=flags)])).code == "archive_path"
    second = unicode_path(b"a.png", raw.decode())
    assert uploads.refusal(zip_as_written([Written(b"a.png", extra=second)])).code == "archive_path"
    assert uploads.refusal(pax({"path": raw}) + member("a") + END).code == "archive_path"


@pytest.mark.parametrize(
    "names",
    [
        [Written("é.png".encode(), flags=UTF8), Written("e\u0301.png".encode(), flags=UTF8)],
        [Written(b"a/b.png"), Written(b"a\\b.png")],
        [Written("é.png".encode(), flags=UTF8), Written("é.png".encode("cp437"))],
        [Written(b"a.png"), Written(b"b.png", extra=unicode_path(b"b.png", "a.png"))],
    ],
)
def test_two_spellings_of_one_path_are_refused(uploads: Uploads, names: list[Written]) -> None:
    assert uploads.refusal(zip_as_written(names)).code == "archive_duplicate"


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 7, b"up", b"up\xff\xff", b"up\x09\x00abc"])
def test_other_bytes_in_the_extra_fields_are_ignored(uploads: Uploads, padding: bytes) -> None:
    fields = unicode_path(b"a.png", "ä.png")

    assert uploads.names(zip_as_written([Written(b"a.png", extra=padding)])) == ["a.png"]
    assert uploads.names(zip_as_written([Written(b"a.png", extra=fields + padding)])) == ["ä.png"]


def test_a_name_that_is_not_utf_8_although_its_flag_says_so_is_named(uploads: Uploads) -> None:
    error = uploads.refusal(zip_as_written([Written(b"good.png"), Written(b"caf\xe9.png", flags=UTF8)]))

    assert error.code == "archive_damaged"
    assert r"'caf\\xe9.png'" in error.detail
