"""Owns how what is told reads on each channel."""
