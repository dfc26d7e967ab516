"""A bundle's towers at other precisions, each with what it loses and what it gains, measured."""
