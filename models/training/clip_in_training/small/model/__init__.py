"""The model `clip-in-small`: a frozen EfficientNet-Lite0 and a frozen MiniLM, each with heads, as one dual encoder.

An embedding has two parts. The first one places a picture among the 1,000 classes of Lite0 and a text among their
names (`world`); nothing of it is trained. The second one is trained: small heads that read the towers' inner maps and
states for what classes do not say, such as how many, where, which colour, damaged or not.
"""
