"""What Prometheus reads: this process's own counts, and what the database knows of the whole installation."""
