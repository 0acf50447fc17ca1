"""Facts without I/O: what a job execution is, what an item is."""
