"""The options of loading, checked before anything is read: those of a configuration, columns, filters."""
