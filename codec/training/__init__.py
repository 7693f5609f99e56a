"""The trainer: data, steps, losses, ranks, validation, rows."""
