"""`glassbox predict`: classifies a few images at once, without a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from glassbox.cli import options
from glassbox.cli.display.accuracy import print_warnings
from glassbox.cli.messages import remember
from glassbox.cli.output import print_json, print_table, share
from glassbox.cli.session import client_of

IMAGES_PER_REQUEST = 32  # a server accepts 64 by default

EXAMPLES = """\b
Examples:
  glassbox predict seven.png --model digits
  glassbox predict *.png --model digits@champion --top-k 3
"""


def predict(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Image files.", show_default=False)],
    model: options.OnModel,
    top_k: Annotated[int, typer.Option(min=1, help="Number of most probable classes to show.")] = 1,
    invert: options.Invert = None,
    as_json: options.Json = False,
) -> None:
    """Classify a few images at once. For many images, use `glassbox classify`."""
    answers = []
    with client_of(context) as client:
        for start in range(0, len(images), IMAGES_PER_REQUEST):
            part = images[start : start + IMAGES_PER_REQUEST]
            remember(context, part)
            answers.append(client.predict(*part, model=model, top_k=top_k, invert=cast("Any", invert)))
    rows = [(path, each) for path, each in zip(images, [p for a in answers for p in a.predictions], strict=True)]
    print_warnings(warning for answer in answers for warning in answer.warnings)
    if as_json:
        shown = [{"path": str(path), **each._asdict()} for path, each in rows]
        print_json({"model": answers[0].model, "version": answers[0].version, "predictions": shown})
        return
    columns = ["image", "label", "confidence>"]
    for number in range(2, top_k + 1):
        columns += [f"label {number}", f"confidence {number}>"]
    print_table(
        columns,
        [(path, *(cell for best in each.top for cell in (best.label, share(best.probability)))) for path, each in rows],
        empty="no images",
    )


predict.__doc__ = f"{predict.__doc__}\n\n{EXAMPLES}"
