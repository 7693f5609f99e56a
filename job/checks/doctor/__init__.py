"""`codecjob doctor`: each place that a run needs is tried by the calls that a run makes. One file, one check."""
