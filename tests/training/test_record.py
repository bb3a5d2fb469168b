import json

from bloodseg_lib.training.record import EpochRecord

JSON = (
    '{"epoch": 1, "learning_rate": 0.002, "train_loss": 1.26, "train_accuracy": 0.69, '
    '"valid_loss": 0.98, "valid_accuracy": 0.75, "mean_iou": 0.3, "background_share": 0.58, '
    '"zero_recall": ["basophil"], "time_s": 506.022, "images_per_s": 10.2, "parts": 1}'
)


def test_a_record_gives_the_json_it_was_read_from():
    record = EpochRecord.from_dict(json.loads(JSON))
    assert json.dumps(record.to_dict()) == JSON
    assert record.zero_recall == ("basophil",)


def test_what_an_earlier_version_did_not_record_stays_out():
    values = json.loads(JSON)
    del values["parts"], values["mean_iou"]
    record = EpochRecord.from_dict(values)
    assert record.parts is None
    assert record.to_dict() == values
