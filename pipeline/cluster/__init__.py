"""The workers that share a log and a magnetic tier: which worker owns which partition, and requests between them."""
