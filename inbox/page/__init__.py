"""The page: what browsers load. Its data comes from the same services as the API's; it has no rules of its own."""
