"""As `tensor2tensor.data_generators`."""
