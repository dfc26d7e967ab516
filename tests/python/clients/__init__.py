"""The server against the clients of others, in an environment of their own."""
