"""job.yaml: its model, how it is read, and the template that `codecjob init` writes."""
