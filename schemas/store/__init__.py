"""One class per aggregate, one SQL statement per method."""
