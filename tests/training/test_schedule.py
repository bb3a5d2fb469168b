import numpy as np
import pytest

from bloodseg_lib.network.backend import keras
from bloodseg_lib.training.config import TrainingConfig
from bloodseg_lib.training.schedule import TableSchedule, adam, learning_rates


def test_cosine_schedule_with_warm_up_by_hand():
    config = TrainingConfig(schedule="cosine", learning_rate=0.8, epochs=2, warmup_steps=2)
    # half a cosine over 4 steps: 0.8 * (1, (1 + sqrt(1/2)) / 2, 1/2, (1 - sqrt(1/2)) / 2), of which
    # the first step gets half
    np.testing.assert_allclose(
        learning_rates(config, steps_per_epoch=2),
        [0.4, 0.8 * 0.8535534, 0.4, 0.8 * 0.1464466],
        rtol=1e-6,
    )


def test_step_schedule_with_warm_up_by_hand():
    config = TrainingConfig(
        learning_rate=0.4, later_learning_rate=0.1, drop_after_epochs=1, epochs=2, warmup_steps=4
    )
    np.testing.assert_allclose(
        learning_rates(config, steps_per_epoch=3), [0.1, 0.2, 0.3, 0.1, 0.1, 0.1]
    )


def test_the_optimizer_follows_the_table():
    schedule = TableSchedule(np.array([0.5, 0.25, 0.125]))
    assert [float(schedule(step)) for step in range(4)] == [0.5, 0.25, 0.125, 0.125]
    schedule.first_step = 10
    assert float(schedule(11)) == 0.25


def test_the_table_goes_by_steps_not_by_micro_batches():
    schedule = TableSchedule(np.array([0.5, 0.25, 0.125]))
    schedule.accumulated, schedule.first_step = 2, 1
    assert [float(schedule(count)) for count in range(2, 7)] == [0.5, 0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize(("decay", "kernel", "others"), [(0.5, 1.75, 2.0), (0.0, 2.0, 2.0)])
def test_weight_decay_shrinks_kernels_and_nothing_else(decay, kernel, others):
    """With gradients of 0 Adam moves nothing;

    AdamW at a learning rate of 1/4 shrinks 2 by 1/4 * 1/2 of itself.
    """
    layer, norm = keras.layers.Dense(2), keras.layers.BatchNormalization()
    norm(layer(np.zeros((1, 3), np.float32)))
    variables = [*layer.trainable_variables, *norm.trainable_variables]
    for variable in variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer = adam(TableSchedule(np.array([0.25])), decay)
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in variables], variables)
    assert [variable.name for variable in variables] == ["kernel", "bias", "gamma", "beta"]
    for variable, expected in zip(variables, [kernel, others, others, others], strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6)


def test_adam_and_adamw_keep_the_same_state():
    def names(decay):
        variable = keras.Variable(np.zeros(2, np.float32), name="kernel")
        optimizer = adam(TableSchedule(np.array([0.1])), decay)
        optimizer.build([variable])
        return [v.path for v in optimizer.variables]

    assert names(0.0) == names(0.1)
