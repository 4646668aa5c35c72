"""Messages of the server in the words of the command: its options in place of the fields of the request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glassbox.options import TRAINING

if TYPE_CHECKING:
    import typer

    from glassbox.errors import Refused

CONTEXT = "glassbox.context"  # in the context's `meta`: the context of the command that sent the request
IMAGES = "glassbox.images"  # in the context's `meta`: the files in the request, for `image[0]`
DETAILS = {  # by error code, in place of a detail about headers and routes
    "key_missing": "the server requires an API key",
    "model_unloaded": "the model was unloaded on the server; its operator can load it again",
}
PARAMETER = re.compile(r"(\w+)\[(\d+)\]")
PHRASES = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"^Value error, ", ""),
        (r"^Input should be a valid string$", "must be a text"),
        (r"^(?:Input|String|Dictionary|List|Value) should match pattern .*", "has an invalid form"),
        (r"^(?:Input|String|Dictionary|List|Value) should ", "must "),
        (r"^Field required$", "is required"),
        (r"^is not a field of this request$", "is not a setting"),
        (r"\?force=true", "--force"),
        (r"\bchannels=([13])\b", r"--channels \1"),
        (r"\bimage_shape=(\d+x\d+)", r"--image-shape \1"),
        (r"\(POST /v1/evaluation-jobs\)", "(`glassbox evaluate`)"),
        (r"\bset on_unreadable=skip\b", "use --on-unreadable skip"),
        (r"; upload it to /v1/datasets$", ""),
        (r"\binvert=auto\b", "--invert auto"),
        (r"/v1/jobs/(\w+)", r"`glassbox jobs show \1`"),
    )
)


def remember(context: typer.Context, images: Sequence[object] = ()) -> None:
    """Keep the command's context, and the files of its next request, for messages about that request."""
    context.meta[CONTEXT] = context
    context.meta[IMAGES] = images


def message(error: Refused, context: typer.Context | None = None) -> str:
    """Return the error's detail, with the option or argument of the command for each invalid field."""
    if not error.fields:
        return DETAILS.get(error.code, without_api_syntax(error.detail))
    parts = []
    for field in error.fields:
        name, detail = option_of(field, context), without_api_syntax(str(field.get("detail", "")))
        parts.append(f"{name}: {detail}" if name else detail)
    if any(_is_unknown_setting(option_of(field, context)) for field in error.fields):
        parts.append("`glassbox train --help` lists the settings")
    return "; ".join(parts)


def without_api_syntax(detail: str) -> str:
    """Return a detail without the syntax of URLs and the phrases of JSON Schema."""
    for pattern, words in PHRASES:
        detail = pattern.sub(words, detail)
    return detail


def option_of(field: Mapping[str, str], context: typer.Context | None) -> str:
    """Return the option or argument that sets a field, such as `--epochs` or `--set optimizer.name`.

    field: has a JSON pointer into the body, `#/optimizer/name`, or the name of a query parameter. Without an option
    for it, the result is the field's name, or empty for the whole body.
    """
    path = path_of(field)
    if not path:
        return ""
    if context is None:
        return ".".join(path)
    if any(text.partition("=")[0].split(".")[0] == path[0] for text in context.params.get("settings") or ()):
        return f"--set {_setting(path)}"
    if path[0] == "source":  # the URL of a file that the server reads
        path = [
            next((str(each.name) for each in context.command.params if each.param_type_name == "argument"), path[0])
        ]
    if path[0] == "image":
        return _image(path, context)
    parameter = _parameter(path[0], context)
    if parameter is None:
        return f"--set {_setting(path)}" if "settings" in context.params else ".".join(path)
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper()).strip("[]…")
    option: str = max(parameter.opts, key=len)
    return " ".join([option, *path[1:2]])


def path_of(field: Mapping[str, str]) -> list[str]:
    """Return the names that lead to a field, from its pointer (RFC 6901) or its parameter."""
    if pointer := field.get("pointer"):
        _, *names = pointer.split("/")
        return [name.replace("~1", "/").replace("~0", "~") for name in names]
    parameter = field.get("parameter", "")
    if indexed := PARAMETER.fullmatch(parameter):
        return list(indexed.groups())
    return parameter.split(".") if parameter else []


def _setting(path: list[str]) -> str:
    """Return a setting's name with dots; an index in a list is omitted."""
    return ".".join(name for name in path if not name.isdecimal())


def _image(path: list[str], context: typer.Context) -> str:
    """Return the file that a part `image` was read from."""
    images = context.meta.get(IMAGES, ())
    number = int(path[1]) if len(path) > 1 else len(images)
    return str(images[number]) if number < len(images) else "IMAGE"


def _parameter(name: str, context: typer.Context) -> Any:
    """Return the command's option or argument with this name, or None."""
    option = f"--{name.replace('_', '-')}"
    return next((each for each in context.command.params if option in each.opts or each.name == name), None)


def _is_unknown_setting(name: str) -> bool:
    """Return whether the name is that of a setting that is neither a training's nor a group of them."""
    option, _, setting = name.partition(" ")
    if option != "--set" or setting.startswith("labels."):
        return False
    return not any(each == setting or each.startswith(f"{setting}.") for each in TRAINING)
