"""As `tensor2tensor.layers`."""
