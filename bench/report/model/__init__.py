"""What is known of a sweep: its entries, best sets, costs, checks and published figures."""
