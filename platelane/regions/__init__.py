"""Countries, states and provinces: their codes, names and what their plates look like."""

from platelane.regions.table import Region, country, fits, meant, named, table, templates

__all__ = ["Region", "country", "fits", "meant", "named", "table", "templates"]
