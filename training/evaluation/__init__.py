"""Measures the running system on labelled photographs: matching, figures, tables, contact sheet."""
