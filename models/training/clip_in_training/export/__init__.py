"""A finished training to a bundle, the directory that the server loads (format: `models/README.md`)."""
