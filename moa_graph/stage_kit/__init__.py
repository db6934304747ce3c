"""What stages are made of: what they are, where they stand, how they ask models, choose and close."""
