"""The mirror of Tensor2Tensor's modules that T2T plugins import, in terms of t2tlite."""
