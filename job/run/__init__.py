"""A run's life seen from outside its pod: offers, launch, state, cost, resume, termination."""
