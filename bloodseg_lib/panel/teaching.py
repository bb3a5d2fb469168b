"""The button that teaches a network by the corrections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bloodseg_lib.evaluation.before_and_after import BeforeAndAfter, fine_tune
from bloodseg_lib.panel.controls import PanelControls
from bloodseg_lib.panel.html import before_and_after_table
from bloodseg_lib.panel.session import PanelSession
from bloodseg_lib.panel.status import Status
from bloodseg_lib.panel.work import Work
from bloodseg_lib.prediction.segmenter import Segmenter


class Teaching:
    """Fine-tunes the panel's network on the corrected fields in its folder, shows what that changed
    and, when asked to, goes on with the new network. It can be cancelled after each epoch; another
    press goes on.

    Attributes:
        report: what the last fine-tuning changed, or ``None``.
    """

    def __init__(self, session: PanelSession, controls: PanelControls, status: Status, work: Work):
        self.session, self.controls, self.status, self.work = session, controls, status, work
        self.report: BeforeAndAfter | None = None
        controls.teach.on_click(status.guarded(self.teach))
        controls.use.on_click(status.guarded(self.use))

    def teach(self) -> None:
        """Fine-tune, and show both figures."""
        folder = self.session.keeper.folder
        if folder is None:
            raise ValueError(
                "Expected a folder with the corrections, the panel keeps none. Make the panel with "
                "folder=, segment and correct there."
            )
        start = self.session.segmenter.checkpoint

        def action(on_step: Callable[[str], None], on_progress: Callable[[float], None]) -> None:
            on_step("Teaching by the corrections: minutes. Cancel stops it, another press goes on.")
            self.report = fine_tune(folder, None, start, on_progress, progress=False)

        self.work.start(action, self._show)

    def _show(self) -> None:
        assert self.report is not None
        self.controls.taught.value = before_and_after_table(self.report)
        self.controls.use.disabled = False
        worse = self.report.worse()
        words = f"Worse than before: {'; '.join(worse)}." if worse else "Nothing is worse."
        self.status.say(f"The network was taught. {words} Look at both figures before you use it.")

    def use(self, _: Any = None) -> None:
        """Segment with the fine-tuned network from now on."""
        assert self.report is not None
        segmenter = Segmenter(self.report.network, self.session.segmenter.config)
        self.session.segmenter = segmenter
        self.controls.use.disabled = True
        self.status.say("The fine-tuned network is used from now on. Press Segment.")
