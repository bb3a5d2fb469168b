import numpy as np
import pytest

from bloodseg_lib.evaluation import calibration


def test_who_is_right_as_often_as_said_has_no_error():
    confidence = np.repeat([0.75, 0.25], 4)
    right = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    found = calibration(confidence, right)
    assert found.error == 0
    assert found.right[[2, 7]].tolist() == [0.25, 0.75]
    assert np.isnan(found.said[[0, 1, 3, 9]]).all()


def test_the_error_weighs_each_bin_by_its_answers():
    # three quarters say 0.95 and are always wrong, one quarter says 0.55 and is always right
    found = calibration(np.array([0.95, 0.95, 0.95, 0.55]), np.array([False] * 3 + [True]))
    assert found.error == pytest.approx(0.75 * 0.95 + 0.25 * 0.45)
    assert found.fraction[[5, 9]].tolist() == [0.25, 0.75]


def test_a_probability_of_one_is_in_the_last_bin():
    assert calibration(np.array([1.0]), np.array([True])).fraction[9] == 1


def test_answers_without_a_probability_are_refused():
    with pytest.raises(ValueError, match=r"Received \(2,\) and \(1,\)"):
        calibration(np.array([0.5]), np.array([True, False]))
