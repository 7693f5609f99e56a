"""The outside world behind small adapters: object stores and pods. Adapters hold no policy."""
