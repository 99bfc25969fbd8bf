"""What several folders of tests, and the benchmarks, stand on: the product as processes, real brokers, fakes."""
