"""The family of `clip-in-small`: pre-trained parts that come as packages, and what is made of them."""
