"""Training data: prepared arrays, batches, shards, augmentation."""
