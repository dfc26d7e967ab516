"""Training data as it lies on disks, turned into batches: formats, filters, mixing, order.

formats (a file each) → order (which rows a step sees) → batches (decode, tokenise) → loader (processes)
"""
