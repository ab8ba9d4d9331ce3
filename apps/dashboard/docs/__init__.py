"""The documentation at /docs: the guide's Markdown (docs/site), and a search over it."""
