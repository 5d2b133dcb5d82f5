"""Checks of what others made: names, sizes, spreadsheets; which folders are ours to replace; what workers may know."""
