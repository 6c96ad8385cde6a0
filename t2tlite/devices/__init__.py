"""Where a model runs: TensorFlow or JAX, one device or many, one machine or many."""
