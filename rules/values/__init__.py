"""A batch as samples, arrays by series, and the clock that counts only while we listen."""
