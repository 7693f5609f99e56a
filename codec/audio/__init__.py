"""Finding, decoding, packing and splitting clips. Needs numpy, not torch."""
