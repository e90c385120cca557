"""HTTP routes by resource, and the documents generated from them."""
