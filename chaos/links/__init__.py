"""Links: what one instance reaches one service through, so that chaos can cut, slow or break it."""
