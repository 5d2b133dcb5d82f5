"""What every room stands on: the columns, the working folder, atomic files, column parts and locks."""
