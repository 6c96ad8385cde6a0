"""What lets a Tensor2Tensor project run here unchanged."""
