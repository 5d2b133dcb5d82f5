"""From URLs to verified shards: plan, workers, HTTP client, host guard, ordered writer; local or on Ray.

`fetch.py` is the function; `shard_plan.py` decides which photo goes where; `local_pool.py` and `ray_fetch.py` start
workers, which `worker_pool.py` supervises and `fetch_worker.py` is; `downloader.py` fetches one shard, with
`http/` for the requests, `failure_streak.py` to stop when all of them fail alike, and `ordered_writer.py` for the
rest.
Nothing is re-exported: a worker process imports only the modules that it needs.
"""
