"""Measures of audio in torch: level normalization, mel spectra, SNR and its relatives."""
