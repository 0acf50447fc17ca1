"""The database: all the SQL there is."""
