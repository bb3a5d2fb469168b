"""What the panel offers to download: the files of a result, and the report of all fields, as of the
command line, each with its corrections.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bloodseg_lib.panel.result import FOR_PROGRAMS, Result
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.trail import trail
from bloodseg_lib.prediction.counts import pool
from bloodseg_lib.prediction.file_result import FileResult
from bloodseg_lib.prediction.summary import report_page

REPORT = {"report.html": "Report of all fields"}
"""The file that is offered, and the words of its button."""


def offered(session: PanelSession) -> list[dict[str, str]]:
    """The files to download, each with its ``name`` and the ``words`` of its button."""
    if session.result is None:
        return []
    single = {name: name.removeprefix(f"{session.name}_") for name in session.files}
    others = {n: FOR_PROGRAMS[kind] for n, kind in session.result.for_programs().items()}
    words = {f"{session.name}.zip": "Download all (zip)", **REPORT, **single, **others}
    return [{"name": name, "words": said} for name, said in words.items()]


def content(session: PanelSession, name: str) -> bytes:
    """The bytes of a file to download: the report, or one of the session's.

    Raises:
        ValueError: there is no such file.
    """
    if name not in REPORT or not session.files:
        return session.content(name)
    results = list(session.keeper.results.values())
    return report(results, session.segmenter.identity["network"])


def report(results: Sequence[Result], network: str) -> bytes:
    """One page of HTML, see :func:`bloodseg_lib.prediction.summary.report_page`: the figures of the
    fields after the corrections, and every correction; the pictures are as the network found the
    cells.
    """
    fields = [
        FileResult(
            Path(result.name),
            result.segmentation.scale,
            result.counts(),
            notes=_left_out(result)
            + tuple(
                f"Corrected by hand: cell {step['cell']}, {step['from'] or 'no cell'} to "
                f"{step['to'] or 'no cell'}, {step['time'][:16].replace('T', ' ')} UTC"
                f"{', by ' + step['by'] if 'by' in step else ''}."
                for step in trail(result.found, result.corrections)
            ),
        )
        for result in results
    ]
    used = [result.counts() for result in results if not result.excluded]
    pooled = pool(used) if len(results) > 1 and used else None
    overlays = [result.files.get(f"{result.name}_overlay.png") for result in results]
    of = dict(zip(map(id, fields), overlays, strict=True))  # names may be the same
    return report_page(fields, lambda field: of[id(field)], pooled, network)


def _left_out(result: Result) -> tuple[str, ...]:
    why = result.excluded
    by = f", by {why['by']}" if why.get("by") else ""
    return (f"Left out of the pooled figures: {why['reason']}{by}.",) if why else ()
