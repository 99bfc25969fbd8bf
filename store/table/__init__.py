"""One table: applies record batches, flushes, compacts, and gives readers views of both tiers."""
