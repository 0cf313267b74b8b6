"""The page of `./run`: the last traces as waterfalls, and the vital numbers (docs/adr/0035)."""
