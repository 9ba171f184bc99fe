"""Leader election: one instance runs every fire, the others stand in line behind it."""
