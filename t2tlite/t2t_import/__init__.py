"""Imports Tensor2Tensor's checkpoints and model folders."""
