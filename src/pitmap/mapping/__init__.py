"""Mapping: land-cover maps of whole scenes in exact tiles, and mine polygons."""
