"""Aggregator (parts in, answer and result out) and webhook delivery."""
