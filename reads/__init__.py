"""Index of reads: which plate was seen when and where, searched by the gateway."""
