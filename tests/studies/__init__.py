"""How often intervals and tests hold a planted truth where images by one author are alike."""
