"""Maps: where in a plane of two lengths of time a strategy begins to fail, measured and drawn."""
