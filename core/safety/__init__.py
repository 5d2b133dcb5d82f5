"""What strangers made, held at arm's length: names, sizes, spreadsheets; folders of ours; what workers get to know."""
