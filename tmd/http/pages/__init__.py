"""Pages for people with a browser: HTML made here, readable without scripts; what they run is ours, and comes apart."""
