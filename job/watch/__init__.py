"""What looks at runs from outside and acts: watchdog, reconcile, notifications."""
