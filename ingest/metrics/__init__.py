"""What Prometheus is told: everything that is measured is named here, and nowhere else."""
