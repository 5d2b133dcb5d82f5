"""Studies of intervals and tests in planted worlds: how often they hold the truth where images by one author are alike."""
