"""A bundle of the drawn scenes, measured on scenes drawn afresh: the tables of its card."""
