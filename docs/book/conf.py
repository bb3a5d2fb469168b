"""The book: the notebooks as they are committed, and the pages of docs. Nothing is executed.

``make book`` builds it from the root of the repository, so that each relative link of a notebook or
page is one of the book too. A broken link and a picture without an alternative text are warnings,
and warnings are errors.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).resolve().parent

project = "Blood smears, segmented"
author = "The bloodseg authors"
root_doc = "README"
extensions = ["myst_nb", "sphinxcontrib.mermaid", "sphinx_copybutton"]
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "notebooks/0*.ipynb",
    "notebooks/solutions/*.ipynb",
    "bloodseg_lib/network/weights/README.md",
]
exclude_patterns = [".*", "runs", "banks", "SECURITY.md"]

html_theme = "furo"
html_title = project
html_extra_path = ["index.html"]
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"

highlight_language = "none"
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
mermaid_width = "22em"  # a diagram from top to bottom in the size of the text
mermaid_height = "auto"
mermaid_fullscreen = False
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "gfm"
# A page without a kernel shows the picture of a widget.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

# Tables of contents that GitHub, which shows the same pages, would print as code.
CONTENTS = {
    "README": (HERE / "contents.md").read_text("utf-8"),
    "docs/decisions/README": "\n```{toctree}\n:glob:\n\n2*\n```\n",
}


def prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the contents, fold the imports, and hand MyST-NB the texts of pictures, which it looks
    for in the cells.
    """
    source[0] += CONTENTS.get(page, "")
    if not page.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for of_picture in output.get("metadata", {}).values():
                cell["metadata"]["mystnb"] = {"image": {"alt": of_picture.get("alt", "")}}
    begins = ("import ", "from ")
    imports = next(c for c in notebook["cells"] if "".join(c["source"]).startswith(begins))
    imports["metadata"]["tags"] = ["hide-input"]
    source[0] = json.dumps(notebook)


def ask_for_alternative_texts(app: Sphinx, document: nodes.document, page: str) -> None:
    for image in document.findall(nodes.image):
        if not image.get("alt"):
            logging.getLogger(__name__).warning(
                "a picture without an alternative text: %s", image["uri"], location=page
            )


def open_folders(app: Sphinx, document: nodes.document) -> None:
    """A link to a folder leads to the first page in it; without one it is plain text."""
    for link in list(document.findall(addnodes.pending_xref)):
        folder = Path(document["source"]).parent / link["reftarget"]
        if link["reftype"] == "myst" and folder.is_dir():
            start = folder.resolve().relative_to(app.srcdir).as_posix() + "/"
            pages = sorted(page for page in app.env.found_docs if page.startswith(start))
            if pages:
                link.attributes |= {"refdomain": "doc", "reftarget": pages[0], "reftargetid": None}
            else:
                link.replace_self(link.children)


def mathml(as_block: bool) -> Any:
    """A visitor that writes a formula as MathML, which browsers show without a script."""

    def visit(writer: Any, node: nodes.Element) -> None:
        writer.body.append(latex2mathml.tex2mathml(node.astext(), as_block=as_block))
        raise nodes.SkipNode

    return visit, None


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", mathml(False), mathml(True))
    app.connect("source-read", prepare)
    app.connect("doctree-read", open_folders)
    app.connect("doctree-resolved", ask_for_alternative_texts)
