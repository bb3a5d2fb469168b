"""Slides of the notebooks: ``python docs/book/slides.py FOLDER``, as ``make book`` does.

Of each section they show the heading, the first sentence of each paragraph, lists, tables and
formulas; then the functions that the student writes, and the pictures. The rest is for the teacher
to say.
"""

import ast
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SHORT = 250  # characters
HEADING = r"^(?=#+ [A-Z\d])"  # not the comments of a block of code
STYLE = "<style>.reveal img { max-height: 60vh }</style></head>"


def gist(section: str) -> str:
    """A section with the first sentence of each paragraph; what is no paragraph stays."""
    paragraphs = re.split(r"\n\s*\n", section)
    plain = re.compile(r"(?!\*\*)[^\W\d]|[*\"'(\[`](?! |\*|``)")
    return "\n\n".join(
        re.split(r"(?<=[.?!])\s", text)[0] if plain.match(text) else text
        for text in paragraphs
        if not text.startswith("Next: ")
    )


def functions(source: str) -> str:
    """The functions that a cell defines, as a block of code; empty where it defines none."""
    tree = ast.parse(source)
    found = [ast.get_source_segment(source, n) for n in tree.body if isinstance(n, ast.FunctionDef)]
    return "\n\n".join(f"```python\n{text}\n```" for text in found)


def slides_of(notebook: NotebookNode) -> NotebookNode:
    """The notebook in slides; a picture or function stands on that of a short text before it."""
    shown: list[NotebookNode] = []

    def show(cell: NotebookNode, kind: str) -> None:
        cell.metadata["slideshow"] = {"slide_type": kind}
        shown.append(cell)

    def below() -> str:
        before = shown[-1]
        return "-" if before.cell_type == "markdown" and len(before.source) < SHORT else "subslide"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            text = re.sub(r"\[([^]]+)\]\((?!http)[^)]*\)", r"\1", text)  # its files are not here
            for section in re.split(HEADING, text.split("## Exercises")[0], flags=re.MULTILINE):
                if section.startswith("#"):
                    show(new_markdown_cell(gist(section)), "slide")
                elif len(section) > SHORT:
                    show(new_markdown_cell(gist(section)), "subslide")
            continue
        if code := functions(cell.source):
            show(new_markdown_cell(code), below())
        cell.outputs = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        if cell.outputs:
            show(cell, below())
    return new_notebook(cells=shown, metadata=notebook.metadata)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    exporter = SlidesExporter(
        exclude_input=True,
        exclude_output_prompt=True,
        reveal_scroll=True,
        reveal_transition="none",
    )
    for path in sorted(NOTEBOOKS.glob("0*.ipynb")):
        page, _ = exporter.from_notebook_node(slides_of(nbformat.read(path, as_version=4)))
        (folder / f"{path.stem}.html").write_text(page.replace("</head>", STYLE), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
