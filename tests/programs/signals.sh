#!/bin/sh
# Writes the signal masks it was started with to the file named, and lives.
#   signals.sh FILE
grep '^Sig' /proc/self/status > "$1.new"
mv "$1.new" "$1"
exec sleep 100000
