"""Adam's update of a weight as one operation of TensorFlow."""

from __future__ import annotations

from typing import Any


def update(
    weight: Any,
    mean: Any,
    square: Any,
    gradient: Any,
    learning_rate: Any,
    constants: tuple[float, float, float],
    step: Any,
) -> None:
    """Updates a weight and its slots, with T2T's formula, in one pass over their memory.

    Keras's update is a dozen operations, each of which passes over memory of the weight's size.

    Args:
      weight: a tf.Variable.
      mean, square: its slots, Keras variables: averages of gradients and of their squares.
      gradient: a tensor, or tf.IndexedSlices.
      learning_rate: a number or scalar tensor.
      constants: beta_1, beta_2 and epsilon.
      step: the number of this step, from 1, a float32 scalar tensor.
    """
    import tensorflow as tf

    beta_1, beta_2, epsilon = constants
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=mean.value.handle,
        v=square.value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(learning_rate, tf.float32),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=epsilon,
        grad=tf.convert_to_tensor(gradient),
    )
