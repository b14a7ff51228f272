"""Models that last: kept in a folder of their own, loaded anywhere, asked about new samples."""
