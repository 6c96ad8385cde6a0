"""Tables of Tensor2Tensor's names: hparams, decode hparams, metrics, modalities."""
