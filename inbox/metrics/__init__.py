"""What a process counts of itself. What the database knows of the whole installation is in `operations.metrics`."""
