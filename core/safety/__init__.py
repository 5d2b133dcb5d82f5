"""Checks of what others made: names, sizes, spreadsheets; which folders are ours to replace; what workers may know.

Each module is used by its name, which says what is checked: `bounded.load_json`, `untrusted_names.refuse_names`,
`folder_replacement.replacing`, `spreadsheet.write_rows`, `worker_environment.for_worker`.
"""
