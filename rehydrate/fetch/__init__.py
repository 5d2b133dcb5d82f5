"""From URLs to verified shards: plan, workers, HTTP client, host guard, ordered writer; local or on Ray."""
