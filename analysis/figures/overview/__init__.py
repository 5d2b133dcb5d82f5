"""What is seen at a glance: how the dataset was made (Fig 1a), and each cluster in a row (Fig 4c)."""
