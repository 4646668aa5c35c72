"""`glassbox explain`: shows which pixels of an image mattered for its prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from glassbox.cli import options
from glassbox.cli.display.accuracy import print_warnings
from glassbox.cli.messages import remember
from glassbox.cli.output import print_facts, print_json, share
from glassbox.cli.session import client_of

if TYPE_CHECKING:
    from glassbox.records.explanations import Attribution, Completeness, Explanation

EXAMPLES = """\b
Examples:
  glassbox explain seven.png --model digits -o why.png
  glassbox explain nine.png --model digits@champion --against 4
"""


def explain(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image file.", show_default=False)],
    model: options.OnModel,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="PNG file with the input, the map, and the map with random weights.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="METHOD", help="integrated_gradients, gradient_x_input, gradient or occlusion."),
    ] = "integrated_gradients",
    target: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Class to explain (default: the predicted one).")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Class to compare with: why 9 and not 4?")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Gradients that integrated gradients average.")] = None,
    rule: Annotated[
        str | None,
        typer.Option(metavar="adaptive|midpoint", help="Places and weights of the steps (default: adaptive)."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(metavar="black|mean|blurred", help="Image without information to compare with.")
    ] = "black",
    smooth: Annotated[int, typer.Option(min=0, help="Copies with noise to average (SmoothGrad).")] = 0,
    random_weights_seed: Annotated[int, typer.Option(min=0, help="Seed of the random weights.")] = 0,
    invert: options.Invert = None,
    as_json: options.Json = False,
) -> None:
    """Explain the prediction for an image: which pixels raise or lower the score of a class."""
    with client_of(context) as client:
        remember(context, [image])
        found = client.explain(
            image,
            model=model,
            method=cast("Any", method),
            target=target,
            against=against,
            steps=steps,
            rule=cast("Any", rule),
            baseline=cast("Any", baseline),
            smooth=smooth,
            random_weights_seed=random_weights_seed,
            invert=cast("Any", invert),
        )
    print_warnings(found.warnings)
    if output is not None:
        from glassbox.http.downloads import write_bytes  # noqa: PLC0415 - see the package's docstring
        from glassbox.report.explanation import picture  # noqa: PLC0415

        write_bytes(output, picture(found))
    if as_json:
        print_json(found)
        return
    print_facts([("image", image), *facts(found), ("picture", output)])


def facts(found: Explanation) -> list[tuple[str, str | None]]:
    """Return what the command prints about an explanation."""
    attribution = found.attribution
    return [
        ("model", f"{found.model}@{found.version}"),
        ("inverted", "yes" if found.input.inverted else None),
        ("changed", "; ".join(found.input.changes) or None),
        ("prediction", f"{found.prediction.label} ({share(found.prediction.confidence)})"),
        ("explained", _explained(attribution)),
        ("method", _method(attribution)),
        ("completeness", _completeness(attribution)),
        ("random weights", _control(attribution)),
    ]


def _explained(attribution: Attribution) -> str:
    against = f" minus that of {attribution.against}" if attribution.against is not None else ""
    return f"the logit of {attribution.target}{against}"


def _method(attribution: Attribution) -> str:
    parts = [attribution.method.replace("_", " ")]
    if attribution.steps is not None:
        parts.append(f"{attribution.steps} steps" + (f" by the rule {attribution.rule}" if attribution.rule else ""))
    if attribution.baseline is not None:
        parts.append(f"baseline {attribution.baseline}")
    if attribution.smooth:
        parts.append(f"mean of {attribution.smooth} copies with noise")
    return ", ".join(parts)


def _completeness(attribution: Attribution) -> str | None:
    sums = attribution.completeness
    if sums is None:
        return None
    text = f"the map sums to {sums.sum:.3f}, the score differs by {sums.difference:.3f}"
    if not sums.correction:
        return f"{text} (gap {sums.gap:.3f}{_relative(sums.gap, sums)})"
    error = sums.gap - sums.correction
    return f"{text} (error of the integral {error:.3f}{_relative(error, sums)}; corrected)"


def _relative(error: float, sums: Completeness) -> str:
    return f", {share(abs(error / sums.difference))}" if sums.difference else ""


def _control(attribution: Attribution) -> str | None:
    control = attribution.control
    if control is None:
        return None
    return f"rank correlation of both maps {control.rank_correlation:.2f} (seed {control.seed})"


explain.__doc__ = f"{explain.__doc__}\n\n{EXAMPLES}"
