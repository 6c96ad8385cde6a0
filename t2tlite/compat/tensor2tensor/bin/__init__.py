"""As `tensor2tensor.bin`."""
