"""Rules that look for the causes of a bad run, each beside the table and named apart (docs/bad-signs.md)."""
