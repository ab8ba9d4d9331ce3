"""Measures the gateway with everything on, beside nginx and LiteLLM: `make bench`. docs/performance.md tells how and what came out."""
