"""What `make` runs before Django can: only the standard library is imported at the top."""
