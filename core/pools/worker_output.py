"""What workers of a Ray cluster print, as the driver shows it."""

import io

from twigma.core.progress import notice

REPORTS = ("(raylet", "(autoscaler")  # of Ray itself


class WorkerOutput(io.TextIOBase):
    """Stands for standard output while Ray prints to it: a line with process and node becomes a notice.

    Ray also reports every worker that ends, in many lines, and every demand that an autoscaler cannot meet; what
    matters of that, the supervisor says.
    """

    def write(self, text: str) -> int:
        """Pass on one message of a worker."""
        # Before the text stands its colour, and then who wrote it.
        is_report = any(name in text[:20] for name in REPORTS)
        if text.strip() and not is_report:
            notice(text.rstrip("\n"))
        return len(text)
