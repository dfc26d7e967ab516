"""The server against PyTorch, Pillow, browsers and the files of `deploy/`."""
