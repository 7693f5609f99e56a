"""A trainer of the real code at its smallest: learns nothing worth hearing, but in seconds."""

TINY = {
    "hidden_dim": 16,
    "strides": "2,4",
    "num_quantizers": 2,
    "codebook_size": 32,
    "codebook_dim": 4,
    "segment_length": 2000,
    "batch_size": 8,
    "device": "cpu",
}
