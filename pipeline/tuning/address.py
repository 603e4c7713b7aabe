"""Where studies are kept that several machines fill together."""

STUDIES = "PIPELINE_STUDIES"
"""The environment variable that holds the address of a database of studies."""
