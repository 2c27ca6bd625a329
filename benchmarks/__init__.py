"""Programs that measure the running system and write what they measured into RESULTS.md."""
