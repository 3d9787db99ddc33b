"""What the vendors promised: raw JSON in, a value or a named drift out."""
