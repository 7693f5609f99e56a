"""Credentials for somebody else: a session that may do less than the client that makes it."""
