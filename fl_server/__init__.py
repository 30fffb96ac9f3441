"""The coordinator: averages what the sites send back and writes rows."""
