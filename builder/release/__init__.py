"""The release: which rows, its tables, card, Croissant file and datasheet, and the check before it is public."""
