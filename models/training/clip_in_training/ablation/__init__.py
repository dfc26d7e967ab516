"""What each loss is worth: variants of stage B from the same image tower, the same data, the same number of
steps.
"""
