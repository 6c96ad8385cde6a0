"""Checkpoints and model folders of Tensor2Tensor."""
