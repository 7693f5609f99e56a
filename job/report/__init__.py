"""`codecjob report`: one HTML page about a run, or about several side by side, that opens without a network."""
