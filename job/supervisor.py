"""Door to `job.pod.supervisor`: `python -m job.supervisor` is what clients start in every image."""

import sys

from job.pod.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
