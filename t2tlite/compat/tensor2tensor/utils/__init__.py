"""As `tensor2tensor.utils`."""
