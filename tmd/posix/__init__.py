"""Mechanism without policy: the loop, children, the drain, signals, sockets."""
