"""What the jobs do: the ingest rules, from the bank's documents to rows."""
