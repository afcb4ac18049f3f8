"""What may be left out."""
