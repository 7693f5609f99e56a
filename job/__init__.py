"""What a run is: its spec, its record and its verdict; the agent inside the pod and the command line outside."""
