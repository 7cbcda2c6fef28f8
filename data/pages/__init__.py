"""The page and chart kit that every report uses."""
