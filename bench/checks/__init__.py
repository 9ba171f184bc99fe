"""Pure functions over the columns of a history: outcomes, flags, validity, broken promises."""
