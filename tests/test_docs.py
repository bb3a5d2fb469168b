"""The pages and notebooks as readers see them: links that lead somewhere, pictures with a text."""

import ast
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("notebooks/**/0*.ipynb"),
    ROOT / "bloodseg_lib/network/weights/README.md",
]
GLOSSARY = (ROOT / "docs/glossary.md").read_text("utf-8").split("## Notation")[0]
# Term -> its anchor.
TERMS = {
    term: term.lower().replace("'", "").replace(" ", "-")
    for term in re.findall(r"^### (.+)$", GLOSSARY, re.MULTILINE)
}
named = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def cells(page):
    return json.loads(page.read_text("utf-8"))["cells"] if page.suffix == ".ipynb" else []


def prose(page):
    """The Markdown of a page or notebook, without its code."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        written = ["".join(c["source"]) for c in cells(page) if c["cell_type"] == "markdown"]
        text = "\n\n".join(written)
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def broken_links(page):
    """The relative links that lead to no file, no folder or no heading."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def anchors(page):
    """The anchors that GitHub and the book give the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pictures_without_text(page):
    """The pictures that have no alternative text, in the prose and in the outputs."""
    outputs = [output for cell in cells(page) for output in cell.get("outputs", [])]
    return re.findall(r"!\[\s*\]\([^)]*\)|<img(?![^>]*alt=.\w)[^>]*>", prose(page)) + [
        kind
        for output in outputs
        for kind in output.get("data", {})
        if kind.startswith("image/") and not output["metadata"].get(kind, {}).get("alt")
    ]


def imports(page):
    """``(module, name)`` of what a page imports from the library, in code cells and examples."""
    text = "\n".join("".join(c["source"]) for c in cells(page)) or page.read_text("utf-8")
    code = ["".join(c["source"]) for c in cells(page) if c["cell_type"] == "code"]
    for part in [*code, *re.findall(r"```python\n(.*?)```", text, re.DOTALL)]:
        lines = dedent(re.sub(r"^[%!].*", "", part, flags=re.MULTILINE))
        for node in ast.walk(ast.parse(lines)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bloodseg_lib"):
                yield from ((node.module, name.name) for name in node.names)


@named
def test_what_a_page_imports_is_there(page):
    for module, name in imports(page):
        __import__(f"{module}")
        there = hasattr(sys.modules[module], name) or find_spec(f"{module}.{name}")
        assert there, f"from {module} import {name}"


def test_a_link_to_no_file_or_heading_is_broken(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title, here\n[a](#a-title-here) [b](#none) [c](none.md) [d](page.md#b)")
    assert broken_links(page) == ["#none", "none.md", "page.md#b"]


def test_a_picture_without_text_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("![](a.png) ![cells](b.png)")
    assert pictures_without_text(page) == ["![](a.png)"]
    output = {"data": {"image/png": "", "text/plain": ""}, "metadata": {}}
    book = tmp_path / "book.ipynb"
    book.write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": [output]}]}))
    assert pictures_without_text(book) == ["image/png"]


@named
def test_every_relative_link_leads_somewhere(page):
    assert broken_links(page) == []


@named
def test_every_picture_has_an_alternative_text(page):
    assert pictures_without_text(page) == []


def first_uses(markdown):
    """Term -> (start, end, linked) of its first use in prose; headings, tables, code, formulas and
    links to elsewhere are no prose. In "batch normalisation" there is no use of "batch".
    """
    blank = r"```.*?```|`[^`\n]*`|\$[^$]+\$|^[#|<].*?$|\[[^]]*\]\((?!\.\./docs/glossary)[^)]*\)"
    flags = re.DOTALL | re.MULTILINE
    text = re.sub(blank, lambda found: " " * len(found[0]), markdown, flags=flags)
    found = {}
    for term in sorted(TERMS, key=len, reverse=True):
        words = re.escape(term).replace(r"\ ", r"\s")
        pattern = rf"\b{words}(s|es)?\b(?P<linked>\]\(\.\./docs/glossary\.md#{TERMS[term]}\))?"
        if use := re.search(pattern, text, re.IGNORECASE):
            end = use.end() - len(use["linked"] or "")
            found[term] = (use.start(), end, bool(use["linked"]))
        text = re.sub(pattern, lambda use: " " * len(use[0]), text, flags=re.IGNORECASE)
    return found


def test_the_first_use_of_a_term_is_found_with_its_link():
    linked = "# Batch\n`batch` [batch](../docs/glossary.md#batch) of batches, batch normalisation"
    assert {term: use[2] for term, use in first_uses(linked).items()} == {
        "Batch": True,
        "Batch normalisation": False,
    }


@pytest.mark.parametrize("page", sorted(ROOT.glob("notebooks/0*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_links_each_term_of_the_glossary_at_its_first_use(page):
    first = {}
    for cell in cells(page):
        if cell["cell_type"] == "markdown":
            first = first_uses("".join(cell["source"])) | first
    assert [term for term, (_, _, linked) in first.items() if not linked] == []


def test_troubleshooting_quotes_what_the_library_says():
    trees = [ast.parse(path.read_text("utf-8")) for path in ROOT.glob("bloodseg_lib/**/*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    said = "\n".join([(ROOT / "Makefile").read_text("utf-8"), *(str(node.value) for node in nodes)])
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    quoted = [part for row in re.findall(r"^\| `([^`]+)`", page, re.M) for part in row.split("...")]
    assert quoted
    assert [part for part in quoted if part.strip() not in said] == []


def test_the_readme_has_a_page_and_a_half():
    words = (ROOT / "README.md").read_text("utf-8").split()
    assert len(words) <= 660  # on A4, as GitHub shows it, with the picture
