"""The server with third-party clients, in their own environment."""
