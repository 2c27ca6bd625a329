"""Aggregator service: parts in, answer and result out."""
