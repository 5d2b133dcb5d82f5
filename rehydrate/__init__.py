"""From post ids to verified images: ids, the X client, the ledger, the posts table, the fetch, the tars."""
