"""As `tensor2tensor.serving`."""
