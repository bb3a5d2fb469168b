"""Drawing cells by program, for those who have no database."""
