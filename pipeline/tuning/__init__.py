"""Searching for better recipes: what is tried, what is given up, where trials are kept, and whom to believe."""

STUDIES = "PIPELINE_STUDIES"
"""The environment variable that names a database of studies which several machines fill together."""
