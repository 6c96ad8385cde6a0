"""Training: the setup, the loop over Keras's `fit`, what runs between steps, and its reports."""
