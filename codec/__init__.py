"""A small neural audio codec for 16 kHz speech, and the command that trains it."""
