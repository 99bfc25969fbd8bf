"""One file per group of paths; a route reads its parameters, calls, and shapes the answer."""
