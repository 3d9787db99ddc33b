"""What builds and measures the project; nothing of it runs with the product."""
