"""The queue family: every instance may publish a fire, workers on every instance consume it."""
