"""What is known of a picture under others' names: the records of a table, and the columns of ours that they fill."""
