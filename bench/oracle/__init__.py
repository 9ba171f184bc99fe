"""Does the oracle see? Planted bugs, each of which some scenario must find."""
