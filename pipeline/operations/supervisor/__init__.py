"""`up`: one gateway and one worker on this machine, started, watched, restarted, and ended in order."""
