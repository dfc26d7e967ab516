"""Adapts a bundle to the edit pairs of a plant, tens to thousands: one product a tower, behind its graphs."""
