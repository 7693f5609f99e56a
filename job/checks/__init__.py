"""What is checked before money is spent: preflight and doctor."""
