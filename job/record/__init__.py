"""What lies in the store for a run, and who may write it."""
