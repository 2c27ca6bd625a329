"""Countries, states and provinces: their codes, names and plate formats."""

from platelane.regions.table import Region, country, fits, meant, named, table, templates

__all__ = ["Region", "country", "fits", "meant", "named", "table", "templates"]
