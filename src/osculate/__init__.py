"""Osculate."""
