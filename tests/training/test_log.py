import dataclasses
import sys

import pytest
from tiny_training import CONFIG, run

from bloodseg_lib.network.checkpoint import read_sidecar
from bloodseg_lib.training.log import EventLog, LiveCurve, collapse_warning, write_log
from bloodseg_lib.training.record import EpochRecord

RECORD = EpochRecord(
    epoch=1,
    learning_rate=0.01,
    train_loss=1.5,
    train_accuracy=0.5,
    valid_loss=1.25,
    valid_accuracy=0.6559,
    background_share=0.6556,
    zero_recall=("basophil", "thrombocyte"),
)


def test_collapse_onto_the_background_is_called_so():
    assert collapse_warning(RECORD).startswith(
        "Warning: collapse. The validation accuracy 65.59% "
        "is just the fraction of background pixels"
    )
    assert "basophil, thrombocyte" in collapse_warning(RECORD)
    better = dataclasses.replace(RECORD, valid_accuracy=0.9)
    assert (
        collapse_warning(better)
        == "Warning: not one validation pixel found of: basophil, thrombocyte."
    )
    assert collapse_warning(dataclasses.replace(better, zero_recall=())) == ""


def test_a_log_goes_on_from_epochs_that_recorded_less(tmp_path):
    more = dataclasses.replace(RECORD, epoch=2, zero_recall=(), parts=2)
    write_log(tmp_path, [RECORD, more])
    header, one, two = (tmp_path / "log.csv").read_text().splitlines()
    assert header.endswith(",valid_accuracy,background_share,zero_recall,time_s,parts")
    assert one == "1,0.01,1.5,0.5,1.25,0.6559,0.6556,basophil thrombocyte,0.0,"
    assert two == "2,0.01,1.5,0.5,1.25,0.6559,0.6556,,0.0,2"


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own imports
def test_tensorboard_has_every_epoch_once_also_after_a_restart(tmp_path):
    pytest.importorskip("tensorboard")
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1, tensorboard=True))
    result = run(tmp_path, config=dataclasses.replace(CONFIG, epochs=2, tensorboard=True))
    logged = events(tmp_path)
    assert [step for step, _ in logged["valid_accuracy"]] == [1, 2]
    for name in ("train_loss", "valid_loss", "valid_accuracy", "mean_iou", "learning_rate"):
        assert [value for _, value in logged[name]] == pytest.approx(
            [getattr(record, name) for record in result.history], rel=1e-6
        )
    assert [value for _, value in logged["zero_recall_classes"]] == [
        len(record.zero_recall) for record in result.history
    ]


def test_events_of_another_program_stay(tmp_path):
    pytest.importorskip("tensorboard")
    theirs = tmp_path / "tensorboard" / "events.out.tfevents.1.host.2.0"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    for _ in range(2):
        EventLog(tmp_path, ()).close()
    assert theirs.read_bytes() == b"theirs" and len(list(theirs.parent.iterdir())) == 2


def test_tensorboard_that_is_not_installed_is_said_before_training(tmp_path, monkeypatch):
    imported = [name for name in sys.modules if name.startswith("tensorboard.")]
    for name in ("tensorboard.compat.proto", *imported):  # an earlier test may have imported them
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError,
        match=r"tensorboard=True: expected the package tensorboard. .* pip install tensorboard",
    ):
        run(tmp_path, config=dataclasses.replace(CONFIG, tensorboard=True))
    assert not (tmp_path / "latest.npz").exists()


def test_no_events_are_written_unless_asked_for(tmp_path):
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.json",
        "best.npz",
        "latest.json",
        "latest.npz",
        "log.csv",
    ]


def test_the_live_curve_is_one_picture_that_shows_all_epochs_also_those_before_a_restart(
    tmp_path, monkeypatch
):
    import IPython.display
    from matplotlib import pyplot as plt

    shown = []

    class Handle:
        def update(self, figure):
            shown.append(("update", figure))

    def display(figure, display_id):
        assert display_id
        shown.append(("display", figure))
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    run(tmp_path, config=dataclasses.replace(CONFIG, epochs=1))
    curve = LiveCurve(tmp_path)
    run(tmp_path, on_epoch=curve)
    assert [how for how, _ in shown] == ["display", "update"]
    losses = [record["train_loss"] for record in read_sidecar(tmp_path / "latest.npz").history]
    curves = [list(line.get_ydata()) for axes in shown[-1][1].axes for line in axes.lines]
    assert losses in curves
    assert not plt.get_fignums()
    curve.close()
    curve.close()
    assert [how for how, _ in shown] == ["display", "update", "update"]
    assert shown[-1][1].data == ""
