"""What a post id is, the list files people bring, and samples of them."""
