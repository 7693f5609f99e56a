"""A trained codec compared with Opus, by SNR and by models of hearing."""
