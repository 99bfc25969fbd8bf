"""A disk that loses power: what processes wrote is recorded, and put together again without what was not fsync'ed."""
