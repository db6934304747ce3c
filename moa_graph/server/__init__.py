"""Servers: the doors through which other programs reach mixtures and simulated models."""
