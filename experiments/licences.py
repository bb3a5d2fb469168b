"""Writes docs/licences.md: the licences of the packages that library and extras need, as stated.

.venv/bin/python experiments/licences.py
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licences of the packages

What the packages of `constraints.txt` that are installed say of themselves, written by
`python experiments/licences.py`. None of it is copied into this project, which is under MIT.

| package | version | licence |
|---|---|---|
"""


def stated(package: metadata.PackageMetadata) -> str:
    """The licence that a package states: SPDX expression, else classifiers, else its first line."""
    if expression := package.get("License-Expression"):
        return expression
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in package.get_all("Classifier") or ()
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    first = (package.get("License") or "").strip().partition("\n")[0]
    return ", ".join(classifiers) or first[:60] or "not stated"


def main() -> None:
    """Write the table."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    rows = []
    for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE):
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        rows.append(f"| {name} | {found['Version']} | {stated(found)} |")
    path = ROOT / "docs" / "licences.md"
    path.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
