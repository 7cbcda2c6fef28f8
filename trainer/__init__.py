"""Turns listening sessions into models: split, fit, evaluate, export."""
