"""From text to batches: featurise, cache, split."""
