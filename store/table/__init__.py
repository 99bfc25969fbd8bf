"""One table at work: applied to, flushed, compacted, retained, recovered."""
