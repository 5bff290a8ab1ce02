"""Side-by-side measurements of tmd and supervisord on this machine, in the same run."""
