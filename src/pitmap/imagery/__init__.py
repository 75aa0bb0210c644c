"""Imagery: from a satellite product to reflectance on a map grid."""
