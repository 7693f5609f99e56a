"""`python -m job` is `codecjob`."""

from job.cli import main

main()
