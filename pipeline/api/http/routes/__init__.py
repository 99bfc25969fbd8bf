"""One file per group of paths; a route reads its parameters, makes a call, and builds the response."""
