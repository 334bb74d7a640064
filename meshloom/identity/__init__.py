"""Who a peer is: what it says of itself, and what of that is proven."""
