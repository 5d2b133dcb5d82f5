"""HTTP services: one client, answers of bounded size and time, resumable downloads."""
