"""The commands behind `hub`, by what they are about."""
