"""What runs inside the pod: supervisor, agent, worker node, uploads."""
