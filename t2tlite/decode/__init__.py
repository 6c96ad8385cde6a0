"""From a model folder to text: an engine maps ids to ids, the `Decoder` maps text to text."""
