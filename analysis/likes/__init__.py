"""Likes against similarity and followers: means by quintile, and Eq (1) with honest intervals."""
