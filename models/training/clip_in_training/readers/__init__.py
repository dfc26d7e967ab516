"""Training data as it lies on disks, turned into batches: formats, filters, mixing, order."""
