"""Trains models on listening sessions: split, fit, calibrate, evaluate, export."""
