"""Audio to files of codes and back; export of a trained model."""
