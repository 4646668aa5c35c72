"""The files that operating systems and tools leave among images, by their names.

`shared/archives/names/leftovers.py` is the same file, so that the command and the server skip the same files.
"""

from __future__ import annotations

import re

SYSTEM_FILE, HIDDEN, SIDE_FILE = "system_file", "hidden", "side_file"

SYSTEM_FOLDERS = frozenset(
    {
        "__macosx",  # macOS: resource forks, in zips by Finder
        "$recycle.bin",  # Windows
        "system volume information",
        "@eadir",  # Synology: thumbnails
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "lost+found",  # Linux: ext4
        "found.000",  # Windows: chkdsk
        "_vti_cnf",  # FrontPage
        "network trash folder",  # macOS: on disks of other systems
        "temporary items",
        "thevolumesettingsfolder",
        "captureone",  # Capture One: thumbnails
        "_gsdata_",  # GoodSync: former versions
        "meta-inf",  # Java: in zips by jar
        "node_modules",
        "__pycache__",  # Python
    }
)
SYSTEM_FOLDER_ENDING = ".lrdata"  # Lightroom: previews
SYSTEM_FILES = frozenset(
    {
        ".ds_store",  # macOS: a folder's view
        ".localized",
        "icon\r",  # macOS: a folder's icon; on other systems' disks with U+F00D
        "icon\uf00d",
        "thumbs.db",  # Windows: thumbnails
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",  # Windows: a folder's view
        ".directory",  # KDE: a folder's view
        "picasa.ini",
        ".picasa.ini",
        "zbthumbnail.info",  # Canon
    }
)
TEMPORARY_STARTS = ("~$",)  # Microsoft Office: a lock
TEMPORARY_ENDINGS = (
    *("~", ".bak", ".old", ".orig", ".swp", ".tmp"),  # editors: the file before a change, or during it
    *(".jpg_original", ".jpeg_original", ".png_original", ".tif_original", ".tiff_original"),  # ExifTool
    *(".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".!ut", ".!qb"),  # unfinished
)
STREAMS = tuple(  # Windows and macOS: data beside a file, such as its origin, on disks of other systems
    f"{separator}{name}"
    for separator in ":\uf03a"
    for name in (
        "zone.identifier",
        "encryptable",
        "com.dropbox.attributes",
        "com.dropbox.attrs",
        "afp_afpinfo",
        "afp_resource",
    )
)
SIDECARS = (
    *(".aae", ".xmp", ".pp3", ".dop", ".on1"),  # changes of a photograph by iOS, Adobe, RawTherapee, DxO and ON1
    ".thm",  # cameras: the thumbnail of a video
    *(".lnk", ".url", ".webloc", ".desktop"),  # links of file managers
)
SYSTEM_ENDINGS = TEMPORARY_ENDINGS + STREAMS + SIDECARS
AUTOSAVE = re.compile(r"#.+#", re.DOTALL)  # Emacs
APPLE_DOUBLE = "._"  # macOS: the resource fork of the file whose name follows, on disks of other systems

DOCUMENTS = frozenset(
    {
        "license",
        "licence",
        "copying",
        "notice",
        "readme",
        "readme.dataset",  # Roboflow
        "readme.roboflow",
        "citation",
        "authors",
        "attribution",
        "changelog",
        "md5sums",
        "sha256sums",
        "checksums",
    }
)
DESCRIPTIONS = frozenset(
    {
        "labels",
        "label",
        "labelmap",
        "label_map",
        "_labels",
        "metadata",
        "_metadata",
        "meta",
        "classes",
        "_classes",
        "class_names",
        "classnames",
        "class_indices",
        "class_to_idx",
        "categories",
        "synsets",
        "synset",
        "synset_words",
        "words",  # ImageNet
        "wnids",  # Tiny ImageNet
        "val_annotations",
        "data",  # YOLO: data.yaml
        "obj",  # Darknet: obj.names, obj.data
        "dataset",
        "dataset_info",  # Hugging Face
        "dataset_infos",
        "dataset-metadata",  # Kaggle
        "sample_submission",
        "annotations",
        "annotation",
        "_annotations",  # Roboflow
        "_annotations.coco",
        "_annotations.createml",
        "index",
        "info",
        "manifest",
        "train",
        "test",
        "val",
        "valid",
        "validation",
        "train_labels",
        "test_labels",
        "val_labels",
        "train_list",
        "test_list",
        "val_list",
    }
)
TEXT_ENDINGS = frozenset(
    "bib cff csv data htm html json jsonl log md names pbtxt rst rtf tsv txt xml yaml yml".split()  # noqa: SIM905
)


def leftover(path: str) -> str | None:
    """Return why a file is skipped, by its path with `/` as the separator: a code; None if it may be an image.

    system_file: an operating system, a file manager, an editor or a camera wrote it, or a download did not end.
    hidden: its name or a folder's begins with a dot. side_file: the text of an exporter beside the images, such as
    `labels.csv`.
    """
    *folders, name = [part for part in path.lower().split("/") if part not in {"", "."}] or [""]
    if name in SYSTEM_FILES or name.startswith(APPLE_DOUBLE) or not SYSTEM_FOLDERS.isdisjoint(folders):
        return SYSTEM_FILE
    if any(folder.endswith(SYSTEM_FOLDER_ENDING) for folder in folders):
        return SYSTEM_FILE
    if name.startswith(TEMPORARY_STARTS) or name.endswith(SYSTEM_ENDINGS) or AUTOSAVE.fullmatch(name):
        return SYSTEM_FILE
    if name.startswith(".") or any(folder.startswith(".") for folder in folders):
        return HIDDEN
    stem, dot, ending = name.rpartition(".")
    is_text = bool(dot) and ending in TEXT_ENDINGS
    if name in DOCUMENTS or (is_text and (stem in DOCUMENTS or stem in DESCRIPTIONS)):
        return SIDE_FILE
    return None
