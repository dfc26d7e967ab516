"""The text tower of `clip-in-small`: MiniLM-L6 with fewer pieces, fewer layers and rotary positions."""
