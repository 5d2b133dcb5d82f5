"""Every figure of the paper as a plain function from a table to a tidy table; pictures only in the report."""
