"""The codec's network: layers, quantizer, transform, checkpoint."""
