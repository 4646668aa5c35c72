"""`make remedies`: writes `ui/common/remedies.js`, what to do about each error's code, from the table of failure modes.

The dashboard shows it beside an error. A test compares the file with the output of this module.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "operations" / "failure-modes.md"
FILE = ROOT / "ui" / "common" / "remedies.js"
CODE = re.compile(
    r"(?:code|\d{3}|codes|or|and|,) `([a-z]+(?:_[a-z]+)+|poison)`|`([a-z]+(?:_[a-z]+)+)` (?:in the batch|says)"
)
NO_CODES = {"completed_with_errors", "timeout_seconds"}  # a state, a setting

TEMPLATE = """\
/** What to do about an error, by its code. Written from docs/operations/failure-modes.md by `make remedies`. */

/** @type {{Record<string, string>}} */
export const REMEDIES = {{
{lines}
}};
"""


def remedies() -> dict[str, str]:
    """Return the last column of the first row that names each code and says what to do."""
    found: dict[str, str] = {}
    above = ""
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or not line.startswith("| ") or cells[0] == "fault":
            continue
        above = action = above if cells[3] == "as above" else cells[3]
        if action.startswith(("as ", "that of", "none")):
            continue  # the error's own detail says it
        for pair in CODE.findall(" ".join(cells[:3])):
            code = pair[0] or pair[1]
            if code not in NO_CODES:
                found.setdefault(code, action.replace("`", ""))
    return dict(sorted(found.items()))


def text() -> str:
    """Return the module."""
    lines = [f"  {code}: {json.dumps(action, ensure_ascii=False)}," for code, action in remedies().items()]
    return TEMPLATE.format(lines="\n".join(lines))


if __name__ == "__main__":
    FILE.write_text(text())
