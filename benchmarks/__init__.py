"""Programs that measure the running system and write the results to RESULTS.md."""
