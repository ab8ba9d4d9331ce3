"""The public catalogue: all models with filters and comparison, a page for each, prices, and a form to ask for another."""
