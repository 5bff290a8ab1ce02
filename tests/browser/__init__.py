"""Stories in a real browser: a package, so that the one browser ends with the last of them."""
