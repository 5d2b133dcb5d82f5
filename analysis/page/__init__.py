"""The parts of the report: formatting, drawing, gallery, the page itself."""
