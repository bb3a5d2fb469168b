"""A batch on one page and in two tables: ``report.html``, which needs no other file,
``results.csv``, a row a picture, and ``pooled.csv``, a row a patient and one of all.

Taught by ``notebooks/06_interactive_prediction.ipynb``.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from io import BytesIO

from PIL import Image

import bloodseg_lib
from bloodseg_lib.classes import CELL_CLASSES, RBC_IDS, WBC_IDS
from bloodseg_lib.io import ENCODING, csv_text
from bloodseg_lib.prediction.cell_table import NOTICE, decimal
from bloodseg_lib.prediction.counts import Counts
from bloodseg_lib.prediction.file_result import FileResult
from bloodseg_lib.prediction.finding import COUNTS
from bloodseg_lib.prediction.interchange import OutputConfig
from bloodseg_lib.prediction.patients import Together, by_patient
from bloodseg_lib.prediction.pixel_size import PixelSize
from bloodseg_lib.prediction.result_names import printable

SUMMARY_FILES = ("results.csv", "pooled.csv", "report.html")

_THUMBNAIL_PX = 760
_KEYS = [c.key for c in CELL_CLASSES]
_FIGURES = [
    *(*_KEYS, "red_cells", "white_cells", "uncertain_white_cells"),
    *("parasitaemia_percent", "lower_percent", "upper_percent"),
]
_COLUMNS = [
    *("picture", "page", "patient", "quality", "remarks", "scale", "rbc_diameter_px", "scale_how"),
    *("pixel_um", "pixel_um_from", *_FIGURES, "under_writing", "cut_by_border", "error", NOTICE),
]
_POOLED = ["patient", "pictures", "withheld", "not_segmented", *_FIGURES, NOTICE]


def summary_files(
    results: Sequence[FileResult],
    picture_of: Callable[[FileResult], bytes | None],
    pooled: Counts | None,
    network: str,
    outputs: OutputConfig,
) -> dict[str, bytes]:
    """The files of a batch, by name, of :data:`SUMMARY_FILES`; see :func:`report_page`."""
    files = {
        "results.csv": results_table(results, outputs.decimal_comma),
        "pooled.csv": pooled_table(results, outputs.decimal_comma),
    }
    if outputs.report:
        files["report.html"] = report_page(results, picture_of, pooled, network)
    return files


def results_table(results: Sequence[FileResult], decimal_comma: bool = False) -> bytes:
    """A row for each picture of a batch, as CSV in UTF-8 with a byte order mark, by which Excel
    knows it; see :func:`bloodseg_lib.io.csv_text`. Figures that are withheld, or not known for too
    few cells, are empty.
    """
    return csv_text(_COLUMNS, map(_row, results), decimal_comma).encode(ENCODING)


def pooled_table(results: Sequence[FileResult], decimal_comma: bool = False) -> bytes:
    """A row for each patient and one for all pictures, as :func:`results_table`. Cells are added,
    percentages are not averaged.
    """
    rows = (
        [
            *(part.name, part.pictures, part.withheld, part.failed),
            *(_figures(part.counts) if part.counts else [""] * len(_FIGURES)),
            "",
        ]
        for part in by_patient(results)
    )
    return csv_text(_POOLED, rows, decimal_comma).encode(ENCODING)


def _row(result: FileResult) -> list[object]:
    where = [printable(str(result.path)), result.page or "", result.patient]
    if result.counts is None or result.scale is None:
        return [*where, *[""] * (len(_COLUMNS) - 5), result.error, ""]
    counts, scale, pixel = result.counts, result.scale, PixelSize.of(result.scale)
    return [
        *where,
        counts.quality.level,
        " ".join([*result.notes, *(f.sentence for f in counts.quality.findings)]),
        decimal(scale.factor, 4),
        "" if scale.rbc_diameter_px is None else decimal(scale.rbc_diameter_px, 1),
        scale.how,
        "" if pixel.um is None else decimal(pixel.um, 4),
        pixel.source,
        *_figures(counts),
        *(counts.under_writing, counts.cut_by_border, "", ""),
    ]


def _figures(counts: Counts) -> list[object]:
    """The columns :data:`_FIGURES`."""
    known = {} if counts.quality.reason(COUNTS) else counts.watershed
    share = counts.parasitaemia()
    percent: list[object] = ["", "", ""]
    if share.value is not None and share.interval is not None:
        percent = [decimal(100 * value, 3) for value in (share.value, *share.interval)]
    return [
        *(known.get(key, "") for key in _KEYS),
        *(counts.number(ids) if known else "" for ids in (RBC_IDS, WBC_IDS)),
        sum(counts.uncertain().values()) if known else "",
        *percent,
    ]


def report_page(
    results: Sequence[FileResult],
    picture_of: Callable[[FileResult], bytes | None],
    pooled: Counts | None,
    network: str,
) -> bytes:
    """All results of a batch on one page of HTML that needs no other file and can be printed.
    ``picture_of`` gives the overlay of a result as the bytes of a file, None: there is none;
    ``pooled`` is of all together, if there are several; ``network`` is its sha256.
    """
    counted = [result for result in results if result.counts]
    rows = ""
    for result in results:
        figures = f"<td colspan='5' class='bad'>{html.escape(result.error)}"
        if result.counts is not None:
            level = result.counts.quality.level
            figures = f"<td><span class='{level}'>{level}</span>{_shown(result.counts)}"
        rows += f"<tr><td>{html.escape(result.name)}{figures}</tr>"
    cards = "".join(_card(result, picture_of(result)) for result in counted)
    *patients, _ = by_patient(results)
    of_patients = "".join(map(_patient_line, patients))
    if patients:
        of_patients = (
            f"<h2>Patients</h2><table><thead><tr><th>Patient<th>Pictures{_HEADINGS}</tr></thead>"
            f"<tbody>{of_patients}</tbody></table>"
        )
    together = ""
    if pooled is not None:
        found = " ".join(f.sentence for f in pooled.quality.findings)
        together = (
            f"<p><b>All together:</b> parasitaemia {html.escape(str(pooled.parasitaemia()))}. "
            f"{html.escape(found)}</p>"
        )
    page = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Blood smears</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>"
        f"<header><h1>Blood smears</h1><p class='notice'>{NOTICE} Made by bloodseg-lib "
        f"{bloodseg_lib.__version__}, network {network[:12]}.</p></header><main>"
        f"<table><thead><tr><th>Picture<th>Judgement{_HEADINGS}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{of_patients}{together}"
        f"<p class='small'>An interval tells how few cells were counted, not how often the network "
        f"errs.</p>{cards}<footer>Looked at by: <span class='line'></span> Date: "
        f"<span class='line'></span></footer></main></html>\n"
    )
    return page.encode()


def _patient_line(patient: Together) -> str:
    figures = _shown(patient.counts) if patient.counts else "<td><td><td class='n'>withheld<td>"
    return f"<tr><td>{html.escape(patient.name)}<td>{patient}{figures}</tr>"


_HEADINGS = "<th>Red cells<th>Infected<th>Parasitaemia<th>White cells"


def _shown(counts: Counts) -> str:
    """The figures in the columns :data:`_HEADINGS`."""
    share = counts.parasitaemia()
    known = {} if counts.quality.reason(COUNTS) else counts.watershed
    red, white = (counts.number(ids) if known else "" for ids in (RBC_IDS, WBC_IDS))
    infected = "" if share.withheld or not known else share.numerator
    figure = "withheld" if share.withheld else "too few cells"
    if share.value is not None and share.interval is not None:
        low, high = share.interval
        figure = f"{share.value:.1%} <span class='small'>({low:.1%} to {high:.1%})</span>"
    return f"<td class='n'>{red}<td class='n'>{infected}<td class='n'>{figure}<td class='n'>{white}"


def _card(result: FileResult, picture: bytes | None) -> str:
    assert result.counts is not None
    counts, name = result.counts, html.escape(result.name)
    sentences = "".join(
        f"<li class='{f.level}'>{html.escape(f.sentence)}" for f in counts.quality.findings
    )
    sentences += "".join(f"<li>{html.escape(note)}" for note in result.notes)
    shown = ""
    if picture:
        with Image.open(BytesIO(picture)) as opened:
            overlay = opened.convert("RGB")
            overlay.thumbnail((_THUMBNAIL_PX, 2 * _THUMBNAIL_PX))
            data = BytesIO()
            overlay.save(data, "JPEG", quality=82)
        text = base64.b64encode(data.getvalue()).decode()
        shown = f"<img alt='{name}, its cells tinted' src='data:image/jpeg;base64,{text}'>"
    cells = ""
    if not counts.quality.reason(COUNTS):
        found = [(c.name, counts.watershed[c.key]) for c in CELL_CLASSES]
        found.append(("of these uncertain", sum(counts.uncertain().values())))
        cells = "".join(f"<tr><td>{text}<td class='n'>{n}</tr>" for text, n in found if n)
        cells = f"<table class='cells'>{cells}</table>"
    return (
        f"<section><h2>{name}</h2><div class='card'>{shown}<div>{cells}<ul>{sentences}"
        f"<li>{html.escape(str(result.scale))}.</ul></div></div></section>"
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --pale: #5b6570; --line: #d8dde2;
  --paper: #fff; --accent: #7a2048; --good: #2e6b4a; --warn: #8a5a00; --bad: #a3262a }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --pale: #9aa5b0;
  --line: #3a424a; --paper: #15191d; --accent: #e08fb4; --good: #7cc49c; --warn: #e0b25c;
  --bad: #ee8a8d } }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem; color: var(--accent) }
h2 { font-size: 1.05rem; margin: 0 0 .6rem } table + h2 { margin-top: 1.8rem }
.notice, .small, footer { color: var(--pale); font-size: .88rem }
.notice { margin: .2rem 0 1.6rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--pale); font-weight: 500; font-size: .85rem }
th:nth-child(n+3) { text-align: right }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
.n { text-align: right; white-space: nowrap }
td:first-child { overflow-wrap: anywhere; min-width: 7rem }
.good { color: var(--good) } .note { color: var(--pale) } .warning { color: var(--warn) }
.withheld, .bad { color: var(--bad) }
section { margin-top: 2.2rem; break-inside: avoid }
.card { display: flex; gap: 1.4rem; flex-wrap: wrap }
.card > img { flex: 3 1 22rem; min-width: 0; max-width: 100%; align-self: flex-start }
.card > div { flex: 2 1 14rem } ul { padding-left: 1.1rem; font-size: .9rem }
.cells td { padding: .2rem .6rem } footer { margin: 3rem 0 1rem }
.line { display: inline-block; width: 12rem; border-bottom: 1px solid }
main { overflow-x: auto }
@page { margin: 14mm }
@media print { :root { color-scheme: light; font-size: 12px }
  body { max-width: none; padding: 0; font-size: 11px }
  .card > img { flex-basis: 60% } }
"""
