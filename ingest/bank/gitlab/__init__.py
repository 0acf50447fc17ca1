"""The item bank that is a group of GitLab's: the only outbound HTTP there is for items."""
